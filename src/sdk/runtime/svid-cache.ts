/** Of a credential's life: leaves a third of it for a broker that is away, and for the credential to be used in. */
const LIFE_USED_MAX = 2 / 3;
/** Handed out with less, it could expire on its way. */
const LEFT_MS_MIN = 2_000;
/** A step has tens of audiences; more is a caller that makes up a grant for every call. */
const ENTRIES_MAX = 256;

type Svid = { readonly expiresAt: Date };

type Entry<Kind extends Svid> = { readonly svid: Kind; readonly mintedAtMs: number };

export type SvidCache<Kind extends Svid> = {
  /**
   * The credential of this key: the one at hand, or a new one. Callers that come while one is minted share it. When the
   * broker is away, or the step too near its end for a new one, and the old one still holds, it is given.
   *
   * @param rejected - not this one, which somebody refused.
   * @throws whatever `mint` threw
   */
  get(key: string, mint: Mint<Kind>, rejected?: Kind): Promise<Kind>;
  /**
   * The credential that follows `old`, however long that still holds: another one at hand, or a new one. `old` stays at
   * hand where there is none.
   *
   * @throws whatever `mint` threw, also what passes
   */
  after(old: Kind, key: string, mint: Mint<Kind>): Promise<Kind>;
  /** Keeps a credential that came by another way. */
  put(key: string, svid: Kind): void;
  clear(): void;
};

/** @param urgency - `spare` when an old one still holds, so that one attempt is enough. */
export type Mint<Kind> = (urgency: "needed" | "spare") => Promise<Kind>;

/**
 * Credentials of one step, each minted anew once two thirds of its life are over.
 *
 * @param options.now - milliseconds since 1970: expiry is an instant, and a clock that stands still while the machine
 * sleeps would miss it.
 * @param options.isPassing - whether an error speaks against a new credential only, and not against the old one.
 */
export function createSvidCache<Kind extends Svid>(options: {
  readonly now: () => number;
  readonly isPassing: (thrown: unknown) => boolean;
}): SvidCache<Kind> {
  const entries = new Map<string, Entry<Kind>>();
  const minting = new Map<string, Promise<Kind>>();

  function put(key: string, svid: Kind): void {
    entries.delete(key);
    entries.set(key, { svid, mintedAtMs: options.now() });
    const [oldest] = entries.keys();
    if (entries.size > ENTRIES_MAX && oldest !== undefined) entries.delete(oldest);
  }

  async function replace(key: string, mint: Mint<Kind>, old: Kind | undefined): Promise<Kind> {
    try {
      const svid = await mint(old === undefined ? "needed" : "spare");
      put(key, svid);
      return svid;
    } catch (thrown) {
      if (old !== undefined && options.isPassing(thrown)) return old;
      throw thrown;
    }
  }

  function get(key: string, mint: Mint<Kind>, rejected?: Kind): Promise<Kind> {
    const entry = entries.get(key);
    if (entry !== undefined && entry.svid === rejected) entries.delete(key);
    const held = entry === undefined || entry.svid === rejected ? undefined : entry;
    const now = options.now();
    if (held !== undefined && isFresh(held, now)) return Promise.resolve(held.svid);
    const underWay = minting.get(key);
    if (underWay !== undefined) return underWay;
    const old = held !== undefined && held.svid.expiresAt.getTime() - now >= LEFT_MS_MIN ? held.svid : undefined;
    return share(key, replace(key, mint, old));
  }

  function share(key: string, svid: Promise<Kind>): Promise<Kind> {
    const shared = svid.finally(() => minting.delete(key));
    minting.set(key, shared);
    return shared;
  }

  function after(old: Kind, key: string, mint: Mint<Kind>): Promise<Kind> {
    const held = entries.get(key);
    if (held !== undefined && held.svid !== old && isFresh(held, options.now())) return Promise.resolve(held.svid);
    const underWay = minting.get(key);
    // Whoever asked for that one may have been content with the old.
    if (underWay !== undefined) return underWay.then((svid) => (svid === old ? after(old, key, mint) : svid));
    return share(key, minted(key, mint));
  }

  async function minted(key: string, mint: Mint<Kind>): Promise<Kind> {
    const svid = await mint("spare");
    put(key, svid);
    return svid;
  }

  return { get, after, put, clear: () => entries.clear() };
}

/** A clock that was set back makes an age negative: not fresh. */
function isFresh(entry: Entry<Svid>, now: number): boolean {
  const expiresAt = entry.svid.expiresAt.getTime();
  const age = now - entry.mintedAtMs;
  const isYoung = age >= 0 && age < (expiresAt - entry.mintedAtMs) * LIFE_USED_MAX;
  return isYoung && expiresAt - now >= LEFT_MS_MIN;
}
