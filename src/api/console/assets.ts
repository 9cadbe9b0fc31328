import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { BrokerError } from "../../domain/errors.ts";
import { isPackaged, packagedIn, readPackaged } from "../../package/files.ts";

/** A file of the console as it is sent. */
export type Asset = {
  readonly mediaType: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  readonly etag: string;
};

/** Where `make console` writes it: three folders up from here, and from the programs of the package. */
const BUILT = new URL("../../../dist/console/", import.meta.url);
const INDEX = "index.html";

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** The files of the console, in memory: `index` for every page, and all others by their paths below /console/. */
export type Assets = { readonly index: Asset; readonly others: ReadonlyMap<string, Asset> };

/** @throws BrokerError NOT_SERVING where it was never built */
export function readAssets(folder: URL = BUILT): Assets {
  const read = (path: string) => assetOf(path, readPackaged(new URL(path, folder)));
  if (!isPackaged(new URL(INDEX, folder))) {
    throw new BrokerError("NOT_SERVING", "the console is not there to be served", {
      detail: `${folder.pathname} has no ${INDEX}`,
    });
  }
  const others = packagedIn(folder).filter((path) => path !== INDEX);
  return { index: read(INDEX), others: new Map(others.map((path) => [path, read(path)])) };
}

function assetOf(path: string, content: Buffer): Asset {
  const mediaType = MEDIA_TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
  const etag = `"${createHash("sha256").update(content).digest("base64url")}"`;
  return { mediaType, etag, body: Uint8Array.from(content), gzipped: Uint8Array.from(gzipSync(content, { level: 9 })) };
}
