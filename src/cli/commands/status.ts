import type { Command } from "commander";
import { Status } from "../../gen/stint/v1/status_pb.js";
import type { Context } from "../context.ts";
import { EXIT, ExitStatus } from "../failure.ts";
import { authorityView } from "../output/authority-view.ts";
import { replicaView, standbyView, statusView, summaryView } from "../output/status-view.ts";
import { verifierView } from "../output/verifier-view.ts";
import { acting } from "../session.ts";

export function addStatus(status: Command, context: Context): void {
  status.action(
    acting(context, async (session) => {
      const status = await session.operator(Status).get({});
      if (session.globals.output === "table") {
        await session.print.one(summaryView, status);
        context.out.write("\n");
        await session.print.rows(authorityView, status.authorities);
        context.out.write("\n");
        await session.print.rows(verifierView, status.verifiers);
        if (status.replicas.length > 0) {
          context.out.write("\n");
          await session.print.rows(replicaView, status.replicas);
        }
        if (status.standbys.length > 0) {
          context.out.write("\n");
          await session.print.rows(standbyView, status.standbys);
        }
      } else await session.print.one(statusView, status);
      if (!status.ready) throw new ExitStatus(EXIT.refused);
    }),
  );
}
