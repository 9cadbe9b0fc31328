package stint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"stint.example/stint/internal/brokertest"
	"stint.example/stint/internal/stintv1"
)

// The verifier beside the shared scenes: what it waits for, whom it tells of an end, and what it can be made with.

// Whatever does not come within this time never comes.
const patience = 20 * time.Second

var (
	readSearch  = ToolUse{Tool: "search", Actions: []Action{Read}, Datatypes: []string{"internal"}}
	readCounted = ToolUse{Tool: "counted", Actions: []Action{Read}, Datatypes: []string{"internal"}}
)

type verifierScene struct {
	feedScene
	feed feedVectors
}

func connected(t *testing.T, later time.Duration, options Options) *verifierScene {
	t.Helper()
	scene := &verifierScene{}
	vectorsOf(t, "feed.json", &scene.feed)
	scene.broker = brokertest.NewBroker(t)
	scene.clock = brokertest.NewManualClock(time.UnixMilli(scene.feed.NowMs).Add(later))
	options.Audiences, options.Endpoint, options.Clock = []string{scene.feed.Audience}, scene.broker.Endpoint, scene.clock
	verifier, err := NewVerifier(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = verifier.Close() })
	scene.verifier, scene.watch = verifier, scene.broker.NextWatch(t)
	return scene
}

func readyScene(t *testing.T) *verifierScene {
	t.Helper()
	return readyLater(t, 0)
}

func readyLater(t *testing.T, later time.Duration) *verifierScene {
	t.Helper()
	scene := connected(t, later, Options{})
	scene.say(t, "own bundle")
	scene.tell(t, "empty snapshot")
	scene.answer(t, "c2")
	return scene
}

func (scene *verifierScene) say(t *testing.T, name string) {
	t.Helper()
	scene.watch.SendJSON(t, scene.feed.Messages[name])
}

// tell sends a message that moves the cursor, and returns once it was applied.
func (scene *verifierScene) tell(t *testing.T, name string) {
	t.Helper()
	scene.say(t, name)
	scene.watch.NextAcknowledge(t)
}

func (scene *verifierScene) answer(t *testing.T, cursor string) {
	t.Helper()
	scene.watch.Pong(scene.watch.NextPing(t), cursor, scene.clock.Wall())
	scene.watch.NextAcknowledge(t)
}

func (scene *verifierScene) verified(t *testing.T, token string) *VerifiedStep {
	t.Helper()
	step, err := scene.verifier.Verify(scene.feed.Tokens[token], Presented{})
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// nextWatchAsTimePasses is the watch with which the verifier comes again.
func (scene *verifierScene) nextWatchAsTimePasses(t *testing.T) *brokertest.Watch {
	t.Helper()
	passing, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		for passing.Err() == nil {
			time.Sleep(5 * time.Millisecond)
			scene.clock.Advance(100 * time.Millisecond)
		}
	}()
	return scene.broker.NextWatch(t)
}

func codeOf(err error) Code {
	var refused *Refusal
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

func fieldOf(err error) string {
	var failed *Error
	if errors.As(err, &failed) && failed.Code == "INVALID_FIELD" {
		return failed.Metadata["field"]
	}
	return fmt.Sprint(err)
}

func come[T any](t *testing.T, channel <-chan T) T {
	t.Helper()
	select {
	case value := <-channel:
		return value
	case <-time.After(patience):
		t.Fatal("it never came")
		panic("unreachable")
	}
}

func refusalOfBroker(t *testing.T, reason, field string) error {
	t.Helper()
	info := &errdetails.ErrorInfo{Reason: reason, Domain: "stint", Metadata: map[string]string{"field": field}}
	failed, err := status.New(codes.InvalidArgument, "no").WithDetails(info)
	if err != nil {
		t.Fatal(err)
	}
	return failed.Err()
}

func TestAVerifierSaysWhoItIsAndHowStaleItMayBecome(t *testing.T) {
	scene := connected(t, 0, Options{MaxStaleness: StalenessBounds{Read: 30 * time.Second}})
	hello := scene.watch.Hello
	if got := scene.watch.Metadata.Get("workload.spiffe.io"); !reflect.DeepEqual(got, []string{"true"}) {
		t.Errorf("the header of the workload endpoint is %v", got)
	}
	if !reflect.DeepEqual(hello.GetAudiences(), []string{scene.feed.Audience}) || hello.GetMaxStaleness().GetSeconds() != 30 {
		t.Errorf("said %v", hello)
	}
}

func TestReadyReturnsWithDenyListBundleAndTimeAndNotBefore(t *testing.T) {
	scene := connected(t, 0, Options{})
	ready := make(chan error, 1)
	go func() { ready <- scene.verifier.Ready(context.Background()) }()
	scene.say(t, "own bundle")
	scene.tell(t, "empty snapshot")
	if len(ready) > 0 {
		t.Error("ready without the broker's time")
	}
	scene.answer(t, "c2")
	if err := come(t, ready); err != nil {
		t.Error(err)
	}
}

func TestWaitingToBeReadyEndsByItsContextAndByClosing(t *testing.T) {
	scene := connected(t, 0, Options{})
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := scene.verifier.Ready(over); err == nil || !strings.Contains(err.Error(), "an answer of the broker") {
		t.Errorf("said %v", err)
	}
	ready := make(chan error, 1)
	go func() { ready <- scene.verifier.Ready(context.Background()) }()
	if err := scene.verifier.Close(); err != nil {
		t.Fatal(err)
	}
	if err := come(t, ready); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("said %v", err)
	}
	if _, err := scene.verifier.Verify(scene.feed.Tokens["good"], Presented{}); codeOf(err) != NotReady {
		t.Errorf("a closed verifier says %v", err)
	}
}

func TestWhatIsNoSocketIsNoEndpoint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	verifier, err := NewVerifier(Options{Audiences: []string{"a"}, Endpoint: file})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = verifier.Close() }()
	if err := verifier.Ready(context.Background()); fieldOf(err) != "endpoint" {
		t.Errorf("said %v", err)
	}
}

func TestTheEndOfAStepIsToldOnceAndOnlyToWhoListens(t *testing.T) {
	scene := readyScene(t)
	step, told := scene.verified(t, "good"), make(chan *Refusal, 9)
	scene.verifier.OnClosed(step, func(refused *Refusal) { told <- refused })
	scene.verifier.OnClosed(step, func(*Refusal) { t.Error("told who listens no more") })()
	scene.tell(t, "step denied")
	want := map[string]string{"reason": "cessationOfOperation", "state": "COMPLETED"}
	if refused := come(t, told); refused.Code != Revoked || !reflect.DeepEqual(refused.Metadata, want) {
		t.Errorf("told %v %v", refused, refused.Metadata)
	}
	scene.tell(t, "step denied for ever")
	if len(told) > 0 {
		t.Error("told twice")
	}
	scene.verifier.OnClosed(step, func(refused *Refusal) { told <- refused })
	come(t, told)
}

func TestWorkEndsWithItsStepAndKnowsWhy(t *testing.T) {
	scene := readyScene(t)
	step := scene.verified(t, "good")
	open, cancel, err := scene.verifier.WhileOpen(context.Background(), step, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	scene.tell(t, "step denied")
	come(t, open.Done())
	if ended := EndOf(open); ended == nil || ended.Metadata["state"] != "COMPLETED" {
		t.Errorf("ended by %v", ended)
	}
	if _, _, err := scene.verifier.WhileOpen(context.Background(), step, nil); codeOf(err) != Revoked {
		t.Errorf("a step that has ended is worked for: %v", err)
	}
}

func TestWorkThatIsOverHasNoEnd(t *testing.T) {
	scene := readyScene(t)
	open, cancel, err := scene.verifier.WhileOpen(context.Background(), scene.verified(t, "good"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	scene.tell(t, "step denied")
	if ended := EndOf(open); ended != nil {
		t.Errorf("ended by %v", ended)
	}
}

func TestWorkDoesNotGoOnWhenNothingIsKnownOfItsStepForTooLong(t *testing.T) {
	scene := readyScene(t)
	open, cancel, err := scene.verifier.WhileOpen(context.Background(), scene.verified(t, "good"), &Call{ToolUse: readSearch})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	// The verifier looks once a second by a clock that moves only here.
	for open.Err() == nil {
		scene.clock.Advance(time.Second)
		time.Sleep(time.Millisecond)
	}
	if ended := EndOf(open); ended.Code != Stale {
		t.Errorf("ended by %v", ended)
	}
	if passed := scene.clock.Wall().Sub(time.UnixMilli(scene.feed.NowMs)); passed <= readStaleness {
		t.Errorf("ended after %s", passed)
	}
}

func TestACallGoesOnPastTheExpiryOfItsTokenAndEndsWithItsStep(t *testing.T) {
	// The token expires 120 s after the scene's beginning, and 5 s of leeway.
	scene := readyLater(t, 100*time.Second)
	step := scene.verified(t, "short")
	open, cancel, err := scene.verifier.WhileOpen(context.Background(), step, &Call{ToolUse: readSearch})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	scene.clock.Advance(26 * time.Second)
	if err := scene.verifier.Authorize(step, readSearch); codeOf(err) != Expired {
		t.Errorf("said %v", err)
	}
	if err := scene.verifier.recheck(step, &Call{ToolUse: readSearch}); err != nil || open.Err() != nil {
		t.Errorf("the call does not go on: %v", err)
	}
	scene.tell(t, "step denied")
	come(t, open.Done())
}

func TestABrokerThatComesBackIsAskedFromWhereItWasLeft(t *testing.T) {
	scene := readyScene(t)
	scene.broker.Stop()
	scene.broker.Start(t)
	if watch := scene.nextWatchAsTimePasses(t); string(watch.Hello.GetCursor()) != "c2" {
		t.Errorf("resumed at %s", watch.Hello.GetCursor())
	}
}

func TestABrokerThatLeavesPingsUnansweredIsLeft(t *testing.T) {
	scene := readyScene(t)
	scene.nextWatchAsTimePasses(t)
	if last := scene.verifier.Status().LastError; last != "NOT_SERVING: the broker left pings unanswered" {
		t.Errorf("left for %s", last)
	}
}

func TestACursorThatTheBrokerDoesNotKnowIsGivenUp(t *testing.T) {
	scene := readyScene(t)
	scene.watch.End(refusalOfBroker(t, "INVALID_FIELD", "hello.cursor"))
	if watch := scene.nextWatchAsTimePasses(t); len(watch.Hello.GetCursor()) != 0 {
		t.Errorf("resumed at %s", watch.Hello.GetCursor())
	}
}

func TestWhatOnlyAChangeOfSettingsMendsIsNotWaitedFor(t *testing.T) {
	scene := connected(t, 0, Options{})
	scene.watch.End(refusalOfBroker(t, "AUDIENCE_INVALID", "audiences"))
	var failed *Error
	if err := scene.verifier.Ready(context.Background()); !errors.As(err, &failed) || failed.Code != "AUDIENCE_INVALID" {
		t.Errorf("said %v", err)
	}
}

func TestWhatMayMendItselfIsWaitedForAndNamed(t *testing.T) {
	scene := connected(t, 0, Options{})
	scene.watch.End(refusalOfBroker(t, "NO_IDENTITY", ""))
	for scene.verifier.Status().LastError == "" {
		time.Sleep(time.Millisecond)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := scene.verifier.Ready(over); err == nil || !strings.Contains(err.Error(), "a verifier's entry that matches this process") {
		t.Errorf("said %v", err)
	}
}

func TestAMessageThatCannotBeAppliedEndsItsStream(t *testing.T) {
	scene := readyScene(t)
	scene.say(t, "a denial of nothing")
	scene.nextWatchAsTimePasses(t)
	if last := scene.verifier.Status().LastError; last != "INVALID_FIELD: denial.subject: a step, a JWT-SVID or a certificate" {
		t.Errorf("left for %s", last)
	}
}

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

func TestNoAudienceButTheVerifiersOwnCanBeAskedFor(t *testing.T) {
	scene := readyScene(t)
	_, err := scene.verifier.Verify(scene.feed.Tokens["good"], Presented{Audience: "https://other.example.org"})
	if fieldOf(err) != "audience" {
		t.Errorf("said %v", err)
	}
}

func TestAUseThatSaysNothingOfWhatIsDoneIsNone(t *testing.T) {
	scene := readyScene(t)
	step := scene.verified(t, "wide")
	for _, use := range []ToolUse{{Tool: "search", Actions: []Action{Read}}, {Tool: "search", Datatypes: []string{"internal"}}} {
		if err := scene.verifier.Authorize(step, use); err == nil || codeOf(err) != "" {
			t.Errorf("said %v", err)
		}
		if scene.verifier.Covers(step, use) {
			t.Errorf("covers %v", use)
		}
	}
}

func TestSettingsThatBindNothingAreRefusedByTheirField(t *testing.T) {
	t.Setenv("SPIFFE_ENDPOINT_SOCKET", "")
	good := Options{Audiences: []string{"https://mcp.example.org/tools"}, Endpoint: "/run/stint.sock"}
	for field, change := range map[string]func(*Options){
		"audiences":             func(options *Options) { options.Audiences = nil },
		"endpoint":              func(options *Options) { options.Endpoint = "" },
		"max_staleness.read":    func(options *Options) { options.MaxStaleness = StalenessBounds{Read: 0} },
		"max_staleness.default": func(options *Options) { options.MaxStaleness = StalenessBounds{OtherActions: 61 * time.Second} },
		"max_staleness":         func(options *Options) { options.MaxStaleness = StalenessBounds{"fly": time.Second} },
		"grants_from":           func(options *Options) { options.GrantsFrom = []string{"spiffe://other.example"} },
	} {
		options := good
		change(&options)
		if _, err := NewVerifier(options); fieldOf(err) != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, endpoint := range []string{"tcp://127.0.0.1:1", "unix://host/path"} {
		options := good
		options.Endpoint = endpoint
		if _, err := NewVerifier(options); fieldOf(err) != "endpoint" {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestAudiencesAreThoseThatTokensCanHave(t *testing.T) {
	for audience, isOne := range map[string]bool{
		"library": true, "urn:example:library": true, "spiffe://example.org/library": true, "https://mcp.example.org/tools": true,
		"https://Mcp.example.org": false, "https://mcp.example.org/": false, "*": false, "a b": false, "": false, `a"b`: false,
		"https://[::1]/a": true, "https://[0:0::1]/a": false, "https://[::ffff:7f00:1]/a": true, "https://127.1/a": false,
		"https://256.0.0.1": false, "https://xn--a.example": false,
	} {
		if err := checkAudience(audience, "audiences"); (err == nil) != isOne {
			t.Errorf("%q: %v", audience, err)
		}
	}
}

func TestWhatWasVerifiedShowsNoToken(t *testing.T) {
	scene := readyScene(t)
	step, token := scene.verified(t, "good"), scene.feed.Tokens["good"]
	printed := fmt.Sprintf("%v %+v %#v", step, *step, *step)
	if strings.Contains(printed, token) || strings.Contains(printed, token[strings.LastIndex(token, ".")+1:]) {
		t.Error("a print of a step shows its token")
	}
}
