import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { DenialDetails, DenialLayer, RefusedElement } from "../domain/denial-details.ts";
import {
  DenialDetailsSchema,
  DenialLayer as LayerMessage,
  type RefusedElement as RefusedElementMessage,
  RefusedElementSchema,
} from "../gen/stint/v1/errors_pb.js";
import { grantMessageOf, knownGrantOf } from "./grant-message.ts";

export const DENIAL_DETAILS_TYPE = "stint.v1.DenialDetails";
/** It travels in trailers, of which some clients take no more than 8 KiB, in Base64 and beside the message. */
const DENIAL_BYTES_MAX = 4_096;

const LAYERS = {
  ceiling: LayerMessage.CEILING,
  parent: LayerMessage.PARENT,
  policy: LayerMessage.POLICY,
} as const satisfies Record<DenialLayer, LayerMessage>;

export function denialLayerMessageOf(layer: DenialLayer): LayerMessage {
  return LAYERS[layer];
}

/** The layer of a message; `undefined` for one that this version does not know. */
export function denialLayerOf(message: LayerMessage): DenialLayer | undefined {
  return (Object.keys(LAYERS) as DenialLayer[]).find((name) => LAYERS[name] === message);
}

/** Encodes a `stint.v1.DenialDetails`. Refused elements that do not fit are counted; the first one that does not ends the list. */
export function encodeDenialDetails(denial: DenialDetails): Uint8Array {
  const without = (refusedOmitted: number) =>
    toBinary(
      DenialDetailsSchema,
      create(DenialDetailsSchema, {
        decisionId: denial.decisionId,
        refusedOmitted: refusedOmitted + denial.refusedOmitted,
        refusesWhole: denial.refusesWhole,
        approval: denial.approval ?? "",
      }),
    );
  // The largest count takes the most bytes.
  let left = DENIAL_BYTES_MAX - without(denial.refused.length).length;
  const fitting: Uint8Array[] = [];
  for (const refused of denial.refused) {
    const bytes = encodeRefused(refused);
    left -= bytes.length;
    if (left < 0) break;
    fitting.push(bytes);
  }
  // Fields of a message may come in any order, and a repeated one in parts.
  return Buffer.concat([...fitting, without(denial.refused.length - fitting.length)]);
}

/** One entry of `DenialDetails.refused`, with its tag. */
function encodeRefused({ element, layer }: RefusedElement): Uint8Array {
  const [message] = grantMessageOf([element]).elements ?? [];
  const refused = create(RefusedElementSchema, {
    ...(message === undefined ? {} : { element: message }),
    layer: denialLayerMessageOf(layer),
  });
  return new BinaryWriter()
    .tag(DenialDetailsSchema.field.refused.number, WireType.LengthDelimited)
    .bytes(toBinary(RefusedElementSchema, refused))
    .finish();
}

/**
 * The details as their receiver may rely on them. Total: an element that this version can't understand, or a layer that it
 * does not know, counts among those that were left out.
 *
 * @returns `undefined` for bytes that are no such message
 */
export function decodeDenialDetails(bytes: Uint8Array): DenialDetails | undefined {
  try {
    const message = fromBinary(DenialDetailsSchema, bytes);
    const refused = message.refused.flatMap(refusedOf);
    return {
      decisionId: message.decisionId,
      refused,
      refusedOmitted: message.refusedOmitted + message.refused.length - refused.length,
      refusesWhole: message.refusesWhole,
      ...(message.approval === "" ? {} : { approval: message.approval }),
    };
  } catch {
    // Details are an addition to code and message, which hold without them.
    return undefined;
  }
}

function refusedOf({ element, layer: message }: RefusedElementMessage): RefusedElement[] {
  const [known] = element === undefined ? [] : knownGrantOf({ $typeName: "stint.v1.Grant", elements: [element] });
  const layer = denialLayerOf(message);
  return known === undefined || layer === undefined ? [] : [{ element: known, layer }];
}
