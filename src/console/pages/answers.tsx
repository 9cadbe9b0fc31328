import { useState } from "preact/hooks";
import { callApprovalView } from "../../cli/output/call-approval-view.ts";
import { stepView } from "../../cli/output/step-view.ts";
import { comparedTool, comparedToolView } from "../../cli/output/tool-view.ts";
import type { CallApproval } from "../../gen/stint/v1/approvals_pb.js";
import type { ToolRecord } from "../../gen/stint/v1/tools_pb.js";
import type { Step } from "../../gen/stint/v1/types_pb.js";
import { approvals, tools } from "../api/clients.ts";
import { useLoaded } from "../live/use-live.ts";
import { Fields } from "../parts/fields.tsx";
import { Question } from "../parts/question.tsx";
import { Shown } from "../parts/states.tsx";

type Asked = { readonly onDone: () => void; readonly onClose: () => void };

/** Approves a step that waits, or refuses it: exactly the request that is shown. */
export function AnswerStep({ step, onDone, onClose }: Asked & { readonly step: Step }) {
  const { stepId, approval } = step;
  return (
    <Answer
      {...{ onDone, onClose, title: `Step ${step.name?.step ?? ""} of ${step.agent}` }}
      approve={async (reason) =>
        void (await approvals.approve({ stepId, reason, requestDigest: approval?.requestDigest ?? "" }))
      }
      refuse={async (reason) => void (await approvals.refuse({ stepId, reason }))}
    >
      <Fields view={stepView} row={step} />
    </Answer>
  );
}

/** Lets a call be made once, or refuses it. */
export function AnswerCall({ call, onDone, onClose }: Asked & { readonly call: CallApproval }) {
  const { approvalId, requestDigest } = call;
  return (
    <Answer
      {...{ onDone, onClose, title: `Call of ${call.call?.tool ?? ""} by ${call.agent}` }}
      approve={async (reason) => void (await approvals.approveCall({ approvalId, reason, requestDigest }))}
      refuse={async (reason) => void (await approvals.refuseCall({ approvalId, reason }))}
    >
      <Fields view={callApprovalView} row={call} />
    </Answer>
  );
}

function Answer({
  title,
  approve,
  refuse,
  onDone,
  onClose,
  children,
}: Asked & {
  readonly title: string;
  readonly approve: (reason: string) => Promise<void>;
  readonly refuse: (reason: string) => Promise<void>;
  readonly children: preact.ComponentChildren;
}) {
  const [isApproving, setApproving] = useState(true);
  return (
    <Question
      {...{ title, onDone, onClose }}
      act={isApproving ? "Approve" : "Refuse"}
      acting={isApproving ? approve : refuse}
      reasonNeeded
    >
      {children}
      <fieldset class="choice">
        <legend>Answer</legend>
        <label>
          <input type="radio" name="answer" checked={isApproving} onChange={() => setApproving(true)} /> approve
        </label>
        <label>
          <input type="radio" name="answer" checked={!isApproving} onChange={() => setApproving(false)} /> refuse
        </label>
      </fieldset>
    </Question>
  );
}

/** Pins the newest definition of a tool, beside what it is to replace. */
export function AcceptTool({ tool, onDone, onClose }: Asked & { readonly tool: ToolRecord }) {
  const { location, tool: name, newestSha256 } = tool;
  const loaded = useLoaded((signal) => tools.get({ location, tool: name }, { signal }), [location, name], {
    once: true,
  });
  const newest = newestSha256;
  return (
    <Question
      {...{ onDone, onClose, title: `Definition of ${name}`, act: "Accept this definition", reasonNeeded: true }}
      acting={async (reason) => void (await tools.accept({ location, tool: name, reason, definitionSha256: newest }))}
    >
      <Shown loaded={loaded}>
        {({ tool: record = tool, definitions }) => {
          const [compared] = definitions.filter(({ definitionSha256 }) => definitionSha256.join() === newest.join());
          return compared === undefined ? null : (
            <Fields view={comparedToolView} row={comparedTool(record, definitions, compared)} />
          );
        }}
      </Shown>
    </Question>
  );
}
