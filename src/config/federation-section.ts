import { absolutePath, section } from "./fields.ts";

/** Settings for foreign trust domains. Operators add the trust domains at run time: `stint federation create`. */
export const federationSection = section({
  web_roots: absolutePath()
    .optional()
    .describe("PEM file of CA certificates that count for https_web bundle endpoints, beside those of Node.js."),
});
