package stint

import (
	"context"
	"testing"

	"stint.example/stint/internal/stintv1"
)

func TestACallThatTheGrantCountsIsAskedAboutAndMadeIfItIsAllowed(t *testing.T) {
	scene := readyScene(t)
	step, left := scene.verified(t, "wide"), uint32(2)
	scene.broker.Answers(&stintv1.CheckResponse{Effect: stintv1.Effect_EFFECT_ALLOW, DecisionId: "dec_1", CallsLeft: &left})
	checked, err := scene.verifier.Check(context.Background(), step, readCounted)
	if err != nil || checked.DecisionID != "dec_1" || *checked.CallsLeft != 2 {
		t.Errorf("allowed %v, %v", checked, err)
	}
	for _, use := range []ToolUse{readCounted, readSearch} {
		_, cancel, err := scene.verifier.WhileOpen(context.Background(), step, &Call{ToolUse: use})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	asked := scene.broker.Checks()
	if len(asked) != 2 || asked[1].GetTool() != "counted" || asked[1].GetJwtSvid() != scene.feed.Tokens["wide"] {
		t.Errorf("asked %v", asked)
	}
}

func TestOnlyAnAllowAllows(t *testing.T) {
	deny := stintv1.Effect_EFFECT_DENY
	for _, one := range []struct {
		answer *stintv1.CheckResponse
		code   Code
	}{
		{&stintv1.CheckResponse{Effect: deny, Reason: "GRANT_EXCEEDED"}, GrantExceeded},
		{&stintv1.CheckResponse{Effect: deny, Reason: "STEP_CLOSED"}, Revoked},
		{&stintv1.CheckResponse{Effect: deny, Reason: "OF_LATER_VERSIONS"}, PolicyDenied},
		{&stintv1.CheckResponse{}, PolicyDenied},
		{&stintv1.CheckResponse{Effect: 99}, PolicyDenied},
	} {
		t.Run(one.answer.String(), func(t *testing.T) {
			scene := readyScene(t)
			scene.broker.Answers(one.answer)
			_, _, err := scene.verifier.WhileOpen(context.Background(), scene.verified(t, "wide"), &Call{ToolUse: readCounted})
			if codeOf(err) != one.code {
				t.Errorf("said %v", err)
			}
		})
	}
}

func TestNoAnswerOfTheBrokerIsNoPermission(t *testing.T) {
	scene := readyScene(t)
	step := scene.verified(t, "wide")
	scene.broker.Stop()
	if _, err := scene.verifier.Check(context.Background(), step, readCounted); codeOf(err) != Unavailable {
		t.Errorf("said %v", err)
	}
}

func TestWhatIsNotPermittedIsNotAskedAbout(t *testing.T) {
	scene := readyScene(t)
	other := ToolUse{Tool: "other", Actions: []Action{Read}, Datatypes: []string{"internal"}}
	if _, err := scene.verifier.Check(context.Background(), scene.verified(t, "wide"), other); codeOf(err) != GrantExceeded {
		t.Errorf("said %v", err)
	}
	if asked := scene.broker.Checks(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
}

func TestAStepOfAnotherVerifierIsNotAskedAbout(t *testing.T) {
	scene, other := readyScene(t), readyScene(t)
	if _, err := scene.verifier.Check(context.Background(), other.verified(t, "wide"), readCounted); fieldOf(err) != "step" {
		t.Errorf("said %v", err)
	}
}
