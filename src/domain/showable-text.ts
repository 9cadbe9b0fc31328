/** What is recorded, shown and given to another program must not steer a terminal or a log. */
const SHOWABLE = /^[\P{C}]*$/u;

/** Whether a text can be recorded and shown as it is: at most so many bytes of UTF-8, without control characters. */
export function isShowable(text: string, bytesMax: number): boolean {
  return Buffer.byteLength(text) <= bytesMax && SHOWABLE.test(text) && text.isWellFormed();
}
