import { declareValuePlugin, PluginKind } from "@stryker-mutator/api/plugin";

type Node = {
  readonly type: string;
  readonly value?: unknown;
  readonly quasis?: readonly { readonly value: { readonly raw: string } }[];
};

/** Two words: nothing that a program reads is written so. */
const PHRASE = /\p{Ll}[,:;]? \p{L}/u;

/**
 * Leaves out of the mutations what is said to people. The words of a message may change without any promise being broken, and no
 * test should pin them.
 */
export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, "phrases", {
    shouldIgnore({ node }: { readonly node: Node }) {
      const text =
        node.type === "StringLiteral"
          ? String(node.value)
          : node.type === "TemplateLiteral"
            ? (node.quasis ?? []).map(({ value }) => value.raw).join("\n")
            : "";
      return PHRASE.test(text) ? "said to people" : undefined;
    },
  }),
];
