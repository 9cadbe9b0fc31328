import { styleText } from "node:util";
import type { Finding } from "./findings.ts";

/** What a person sees. `styleText` leaves colors out where nobody looks, and where NO_COLOR says so. */
export function createPrinter(out: NodeJS.WriteStream) {
  const paint = (format: Parameters<typeof styleText>[0], text: string) => styleText(format, text, { stream: out });
  const say = (text = "") => void out.write(`${text}\n`);
  return {
    say,
    dim: (text: string) => say(paint("dim", text)),
    began: (title: string, number: number) => say(`\n${paint("bold", `${number}. ${title}`)}`),
    found({ held, promise, seen }: Finding) {
      const mark = held ? paint("green", "✓") : paint("red", "✗ NOT KEPT:");
      say(`   ${mark} ${promise}`);
      if (seen !== "") say(paint("dim", `     ${seen}`));
    },
    noted: (text: string) => say(text.replaceAll(/^(?=.)/gm, "   ")),
    ended: (isKept: boolean, text: string) => say(`\n${paint(["bold", isKept ? "green" : "red"], text)}`),
  };
}
