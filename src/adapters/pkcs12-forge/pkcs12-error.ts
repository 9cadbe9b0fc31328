/** A PKCS #12 file or password that can't be used. The message says why and quotes nothing of either. */
export class Pkcs12Error extends Error {
  override readonly name = "Pkcs12Error";
}

/** Printable ASCII: programs differ in how they take any other character of a password. */
const PASSWORD = /^[\x20-\x7e]{1,256}$/;

/** @throws Pkcs12Error */
export function checkPassword(password: string): void {
  if (!PASSWORD.test(password)) throw new Pkcs12Error("the password has to be 1 to 256 printable characters of ASCII");
}
