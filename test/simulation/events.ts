import type { RiskLevel } from "../../src/domain/risk.ts";
import type { EventReceiver } from "./receivers.ts";
import type { Attendance } from "./watcher.ts";

/** Whether somebody asks once or is told of each change, and whether a receipt is wanted. */
export type AskedClosure = { readonly stream: boolean; readonly receipt: boolean };

/*
 * What may happen. Numbers choose among what there is when the event's turn comes, so that a schedule makes sense however
 * it is cut down. Of `by`, every fourth number chooses anybody, and the others somebody who may well do it.
 */

export type Event =
  | {
      readonly kind: "open";
      readonly by: number;
      readonly agent: number;
      readonly run: number;
      readonly step: number;
      readonly attempt: number | undefined;
      readonly grant: readonly number[];
      readonly audiences: readonly number[];
      readonly under: number | undefined;
      /** By which delegation token, of those that were made. */
      readonly token: number | undefined;
      readonly expiresInSeconds: number | undefined;
      readonly leaseSeconds: number | undefined;
      readonly executor: number | "fit" | "self" | "any";
      readonly requestId: number | undefined;
      readonly allowPartial: boolean;
      readonly acceptPending: boolean;
      /** How many times at once it is approved as soon as it waits. */
      readonly approvals: number;
      /** How many calls the chosen elements allow; absent: any number. */
      readonly calls: number | undefined;
      /** Whose token comes with the request. */
      readonly principal: number | undefined;
    }
  | {
      readonly kind: "approve" | "refuse";
      readonly by: number;
      /** Mostly of those that wait. */
      readonly step: number;
      /** How many times at once. */
      readonly times: number;
      /** Another request was looked at. */
      readonly isOther: true | undefined;
    }
  /**
   * One step that writes outward, and then one that reads what must stay inside: in one run, for one principal, or
   * in the run that an open step of the first one's run was delegated from.
   */
  | {
      readonly kind: "taint";
      readonly by: number;
      readonly agent: number;
      readonly runs: "one" | "two" | "connected";
      readonly principal: number | undefined;
    }
  | {
      readonly kind: "issue";
      readonly by: number;
      readonly step: number;
      readonly wanted: readonly (number | "x509")[];
      /** How often each token is used as soon as it is there. */
      readonly uses: number;
      /** How many calls the tokens allow at most; absent: as many as the step. */
      readonly calls: number | undefined;
      /** Whether it is asked of a front end. */
      readonly apart: boolean;
    }
  | {
      readonly kind: "delegate";
      readonly by: number;
      readonly step: number;
      readonly to: number;
      readonly uses: number;
      /** How many children its receiver opens with it at once. */
      readonly tries: number;
      readonly grant: readonly number[] | undefined;
    }
  | {
      readonly kind: "call";
      readonly by: number;
      /** By which token, of the newest. */
      readonly credential: number;
      readonly element: number;
      /** How many times at once. */
      readonly times: number;
      /** Which arguments, of two; absent: nothing is told of them. */
      readonly digest: number | undefined;
      readonly acceptPending: boolean;
      /** What an approver says as soon as it waits, and how many times at once it is made again then. */
      readonly answer: "approve" | "refuse" | undefined;
      readonly again: number;
      /** What happens at the same time: its step is closed, its token taken back, or the risk raised. */
      readonly meanwhile: "close" | "revoke" | "risk" | undefined;
    }
  /** A step whose call is held back, answered, and made again. */
  | {
      readonly kind: "held-call";
      readonly by: number;
      readonly agent: number;
      readonly run: number;
      /** The set that is put in force before; absent: it is left at what it is. */
      readonly policies: number | undefined;
      /** How many times at once it is made first, and again. */
      readonly times: number;
      readonly again: number;
      readonly answer: "approve" | "refuse" | undefined;
      /** How many times at once it is answered. */
      readonly answers: number;
      /** Before it is made again: its step is closed, its time is over, more policies ask; or it has other arguments then. */
      readonly between: "close" | "lapse" | "policies" | "other" | undefined;
    }
  | {
      readonly kind: "approve-call" | "refuse-call";
      readonly by: number;
      /** Mostly of those that wait. */
      readonly call: number;
      /** How many times at once. */
      readonly times: number;
      /** Another call was looked at. */
      readonly isOther: true | undefined;
    }
  /** A verifier says what became of calls. */
  | {
      readonly kind: "report";
      readonly by: number;
      readonly usages: readonly {
        /** Of the credentials that were delivered; mostly of those that the verifier is shown. */
        readonly credential: number;
        readonly tool: number;
        readonly outcome: number;
        readonly calls: number;
      }[];
      /** Calls that it left out. */
      readonly gap: number;
      /** How many times at once it is sent. */
      readonly times: number;
      /** Which of the reports before is sent again instead. */
      readonly again: number | undefined;
    }
  | { readonly kind: "close"; readonly by: number; readonly step: number; readonly outcome: number }
  | {
      readonly kind: "revoke";
      readonly what: "step" | "run" | "agent" | "process" | "credential";
      readonly which: number;
    }
  | { readonly kind: "offboard"; readonly principal: number; readonly barAhead: boolean }
  | { readonly kind: "readmit" | "erase"; readonly principal: number }
  | { readonly kind: "renew" | "hold"; readonly by: number; readonly step: number }
  | { readonly kind: "release"; readonly hold: number }
  | { readonly kind: "start"; readonly user: number }
  | { readonly kind: "kill"; readonly process: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "update"; readonly agent: number; readonly ceiling: readonly number[] }
  | { readonly kind: "risk"; readonly scope: number; readonly level: RiskLevel; readonly seconds: number }
  /** Absent: none is in force. */
  | { readonly kind: "policies"; readonly set: number | undefined }
  | { readonly kind: "disable" | "enable"; readonly entry: number }
  | { readonly kind: "wall"; readonly seconds: number }
  | { readonly kind: "ledger" | "signer"; readonly isUnavailable: boolean }
  | { readonly kind: "engine"; readonly state: "well" | "late" | "failing" }
  | { readonly kind: "checkpoints"; readonly failing: "own" | "copy" | "signer" | undefined }
  | { readonly kind: "follower"; readonly failing: number | undefined }
  | ({ readonly kind: "watch"; readonly watcher: number } & Attendance)
  | { readonly kind: "leave" | "acknowledge"; readonly watcher: number }
  /** Somebody asks whether what a close ended is accepted anywhere; or wants to be told when it no longer is. */
  | ({ readonly kind: "closure"; readonly close: number } & AskedClosure)
  /** A step with a token is closed while verifiers are on the feed, and somebody asks whether it is over. */
  | ({
      readonly kind: "end-watched";
      readonly by: number;
      readonly agent: number;
      readonly run: number;
      readonly place: number;
      /** Of each verifier's process; absent: it is not on the feed for that. */
      readonly attendances: readonly (Attendance | undefined)[];
    } & AskedClosure)
  | {
      readonly kind: "event-stream";
      readonly receiver: number;
      readonly asks: "push" | "poll" | "enabled" | "paused" | "disabled" | "remove";
    }
  | { readonly kind: "receiver"; readonly receiver: number; readonly answers: EventReceiver["answers"] }
  | {
      readonly kind: "poll";
      readonly receiver: number;
      readonly eventsMax: number;
      /** Of what came by the poll before. */
      readonly acknowledges: "all" | "errors" | "none";
      /** The answer does not come. */
      readonly isLost: boolean;
    }
  | { readonly kind: "replicate" }
  /** What has been over for so long is pruned, behind a new snapshot or the one that there is. */
  | { readonly kind: "prune"; readonly seconds: number; readonly snapshot: boolean }
  | { readonly kind: "place-hold"; readonly scope: "run" | "agent" | "principal"; readonly which: number }
  | { readonly kind: "lift-hold"; readonly hold: number }
  /** How a broker reaches the log that others share: not at all, without being told, or with an append that nobody answers. */
  | { readonly kind: "way"; readonly change: "cut" | "mended" | "deaf" | "hearing" | "kept" | "lost" }
  /** A broker is gone, and comes back, with its tables or without them. */
  | { readonly kind: "die" }
  | { readonly kind: "begin"; readonly anew: boolean }
  | { readonly kind: "restart" | "accept-restore" };

/** The events of one kind. */
export type EventOf<Kind extends Event["kind"]> = Event & { readonly kind: Kind };

/** What is asked for at once, in one turn of the event loop; then everything comes to rest. */
export type Round = readonly Event[];
