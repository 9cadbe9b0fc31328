/**
 * What a terminal obeys rather than shows, or shows as nothing: C0 and C1 controls, format characters (among them those
 * that turn the direction of text around), line and paragraph separators, lone surrogates, what is to be ignored where it
 * is not known (variation selectors and fillers among it), and the blank pattern of Braille.
 */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu;

/** Text that came from elsewhere, with all controls made visible, so that it can neither steer nor deceive a terminal. */
export function showControls(text: string): string {
  return text.replaceAll(CONTROLS, (control) => {
    const code = control.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** JSON text with the same characters escaped in JSON's own way: the values stay what they were. */
export function escapeControls(json: string): string {
  return json.replaceAll(CONTROLS, (control) => {
    // A line feed is the layout of the JSON itself; within strings it is escaped already.
    if (control === "\n") return control;
    return control
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join("");
  });
}
