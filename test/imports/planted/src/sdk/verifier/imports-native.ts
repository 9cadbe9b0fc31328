// planted: sdk-imports
import koffi from "koffi";

export const native = koffi;
