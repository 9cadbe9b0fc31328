import { describe, expect, test } from "vitest";
import { requestOf } from "../../samples/policy-request.ts";
import { ALLOW_ONE, deniedFor, inOpasPlace, opaAt, silent } from "./opa-scene.ts";

const ALLOW = '{"effect":"allow","policies":[]}';
const result = (whole: string, ...elements: readonly string[]) =>
  `{"result":{"whole":${whole},"elements":[${elements.join(",")}]}}`;

describe("an answer denies everything, and says in the record why, that is", () => {
  test.for([
    { what: "without a result", body: "{}", reason: "undefined" },
    { what: "without a result, with an id", body: '{"decision_id":"d"}', reason: "undefined" },
    { what: "a warning beside an allow", body: `${ALLOW_ONE.slice(0, -1)},"warning":{}}`, reason: "warning" },
    { what: "an allow with a member that nobody knows", body: `${ALLOW_ONE.slice(0, -1)},"notice":1}` },
    { what: "an allow with its result twice", body: `${ALLOW_ONE.slice(0, -1)},"result":1}` },
    { what: "empty", body: "" },
    { what: "no JSON", body: "allow" },
    { what: "not UTF-8", body: Buffer.from([0x7b, 0xff, 0x7d]) },
    { what: "a list", body: "[]" },
    { what: "true", body: '{"result":true}' },
    { what: "null", body: '{"result":null}' },
    { what: "an allow of the whole alone", body: `{"result":{"whole":${ALLOW}}}` },
    { what: "an allow of the elements alone", body: `{"result":{"elements":[${ALLOW}]}}` },
    { what: "an allow with more members", body: `{"result":{"whole":${ALLOW},"elements":[${ALLOW}],"except":[]}}` },
    { what: "for too few elements", body: result(ALLOW) },
    { what: "for too many elements", body: result(ALLOW, ALLOW, ALLOW) },
    { what: "with elements by name", body: `{"result":{"whole":${ALLOW},"elements":{"0":${ALLOW}}}}` },
    { what: "an effect that is none", body: result('{"effect":"ALLOW","policies":[]}', ALLOW) },
    { what: "an effect that is true", body: result('{"effect":true,"policies":[]}', ALLOW) },
    { what: "an effect without policies", body: result(ALLOW, '{"effect":"allow"}') },
    { what: "an effect with more members", body: result(ALLOW, '{"effect":"allow","policies":[],"unless":"x"}') },
    { what: "an effect that offers approval", body: result(ALLOW, '{"effect":"deny","policies":[],"approval":"me"}') },
    { what: "a null among effects", body: result(ALLOW, "null") },
    { what: "policies that are no list", body: result(ALLOW, '{"effect":"allow","policies":"a"}') },
    { what: "a policy that is no text", body: result(ALLOW, '{"effect":"allow","policies":[1]}') },
    { what: "a policy with a line feed", body: result(ALLOW, '{"effect":"allow","policies":["a\\nb"]}') },
    { what: "a policy that is too long", body: result(ALLOW, `{"effect":"allow","policies":["${"a".repeat(129)}"]}`) },
    {
      what: "more policies than an event may name",
      body: result(
        ALLOW,
        `{"effect":"deny","policies":${JSON.stringify(Array.from({ length: 65 }, (_, n) => `p${n}`))}}`,
      ),
    },
    { what: "deep", body: `{"result":${"[".repeat(40)}${"]".repeat(40)}}` },
    { what: "of another kind than JSON says", status: 404, body: "<html>", reason: "status_404" },
    { what: "an allow with another status", status: 201, body: ALLOW_ONE, reason: "status_201" },
    { what: "not for us", status: 401, body: '{"code":"unauthorized"}', reason: "unauthorized" },
    { what: "a redirect", status: 307, headers: { location: "/elsewhere" }, reason: "status_307" },
    { what: "an error of OPA", status: 500, body: '{"code":"internal_error"}', reason: "internal_error" },
    {
      what: "an error of a built-in function",
      status: 500,
      body: '{"code":"internal_error","errors":[{"code":"eval_builtin_error","message":"x"}]}',
      reason: "eval_builtin_error",
    },
    { what: "an error with a code that is none", status: 500, body: '{"code":"A\\nB"}', reason: "status_500" },
    { what: "compressed", headers: { "content-encoding": "gzip" }, body: ALLOW_ONE, reason: "encoded" },
    { what: "larger than an answer may be", body: `{"result":"${"a".repeat(200_000)}"}`, reason: "too_large" },
  ])("$what", async ({ status = 200, headers = {}, body = "", reason = "malformed" }) => {
    const place = await inOpasPlace((_, response) => {
      response.on("error", () => undefined);
      response.writeHead(status, headers).end(body);
    });
    const { opa, faults } = opaAt(place.url);
    expect(await opa.evaluate(requestOf())).toEqual(deniedFor(reason));
    expect(faults).toEqual([expect.stringContaining(`OPA's answer is no decision, and denies: ${reason}: `)]);
    expect(place.asked).toHaveLength(1);
  });
});

test("an error of OPA is told to the log by its code and place, without the message, which repeats what was asked", async () => {
  const error = {
    code: "eval_builtin_error",
    message: 'to_number: parsing "confidential"',
    location: { file: "site.rego", row: 5, col: 18 },
  };
  const body = JSON.stringify({ code: "internal_error", message: "confidential", errors: [error] });
  const place = await inOpasPlace((_, response) => response.writeHead(500).end(body));
  const { opa, faults } = opaAt(place.url);
  await opa.evaluate(requestOf());
  expect(faults).toEqual([
    `OPA's answer is no decision, and denies: eval_builtin_error: answered 500, eval_builtin_error at "site.rego", line 5`,
  ]);
});

test.for([429, 502, 503, 504])("status %i is no answer, since later there may be one", async (status) => {
  const place = await inOpasPlace((_, response) => response.writeHead(status).end(ALLOW_ONE));
  const { opa } = opaAt(place.url);
  await expect(opa.evaluate(requestOf())).rejects.toEqual(expect.objectContaining(silent(`answered ${status}`)));
});

test("for a request of which nothing is left, the whole is still decided", async () => {
  const place = await inOpasPlace((_, response) => response.end(result('{"effect":"deny","policies":["p"]}')));
  const { opa } = opaAt(place.url);
  expect(await opa.evaluate(requestOf({ elements: [] }))).toEqual({
    whole: { effect: "deny", policies: ["p"] },
    elements: [],
  });
});
