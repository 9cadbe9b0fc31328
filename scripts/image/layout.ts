import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What runs when a container of the image is started, and as whom. Names as in the OCI Image Specification. */
export type ImageConfig = {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Env: readonly string[];
  readonly WorkingDir: string;
  readonly Labels: Readonly<Record<string, string>>;
};

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number };

/** No two builds are told apart by their time. */
const CREATED = "1970-01-01T00:00:00Z";

/**
 * Writes an image as a folder that `skopeo`, `podman load`, `ctr` and `docker load` take as a tar; the last by `manifest.json`, which is
 * Docker's own and without which no Docker Engine whose images are not containerd's takes it. Layers are not compressed: what a compressor writes
 * differs from version to version, and whoever pushes an image compresses it.
 *
 * @param architecture - as the OCI calls it, e.g. `amd64`.
 * @param layers - tars, which are moved into the folder; the lowest first.
 * @param name - for the tools that load it, e.g. `stint:0.2.0`.
 * @see OCI Image Specification 1.1, image-layout, manifest, config
 */
export function writeLayout(
  folder: string,
  name: string,
  config: ImageConfig,
  architecture: string,
  layers: readonly string[],
): void {
  const blobs = join(folder, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });

  function taken(file: string, mediaType: string): Descriptor {
    const hex = createHash("sha256").update(readFileSync(file)).digest("hex");
    const { size } = statSync(file);
    renameSync(file, join(blobs, hex));
    return { mediaType, digest: `sha256:${hex}`, size };
  }
  function written(value: object, mediaType: string): Descriptor {
    const file = join(folder, "blob");
    writeFileSync(file, JSON.stringify(value));
    return taken(file, mediaType);
  }

  const taking = layers.map((layer) => taken(layer, "application/vnd.oci.image.layer.v1.tar"));
  const image = {
    created: CREATED,
    architecture,
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: taking.map(({ digest }) => digest) },
    history: taking.map(() => ({ created: CREATED, created_by: "scripts/image.ts" })),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: written(image, "application/vnd.oci.image.config.v1+json"),
    layers: taking,
  };
  const { digest, size, mediaType } = written(manifest, manifest.mediaType);
  const annotations = { "org.opencontainers.image.ref.name": name };
  const platform = { architecture, os: "linux" };
  const index = { schemaVersion: 2, manifests: [{ mediaType, digest, size, annotations, platform }] };
  writeFileSync(join(folder, "index.json"), JSON.stringify(index));
  const pathOf = (blob: Descriptor) => `blobs/${blob.digest.replace(":", "/")}`;
  const forDocker = [{ Config: pathOf(manifest.config), RepoTags: [name], Layers: taking.map(pathOf) }];
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(forDocker));
  writeFileSync(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
}
