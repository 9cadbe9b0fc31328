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
	if kept := len(scene.verifier.source.(*feedSource).denials.byKey); kept > 0 {
		t.Errorf("%d names are listened for by nobody", kept)
	}
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

func TestACallOfAForeignStepEndsWithItsTokenSinceNobodyTellsOfItsEnd(t *testing.T) {
	scene := connected(t, 100*time.Second, Options{GrantsFrom: []string{"other.example"}})
	scene.say(t, "own bundle")
	scene.say(t, "foreign bundle")
	scene.tell(t, "empty snapshot")
	scene.answer(t, "c2")
	step, call := scene.verified(t, "foreign and short"), &Call{ToolUse: readSearch}
	if err := scene.verifier.recheck(step, call); err != nil {
		t.Fatal(err)
	}
	open, cancel, err := scene.verifier.WhileOpen(context.Background(), step, call)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	scene.clock.Advance(25 * time.Second)
	if err := scene.verifier.recheck(step, call); codeOf(err) != Expired {
		t.Errorf("said %v", err)
	}
	// The verifier looks once a second by a clock that moves only here.
	for open.Err() == nil {
		scene.clock.Advance(100 * time.Millisecond)
		time.Sleep(time.Millisecond)
	}
	if ended := EndOf(open); ended == nil || ended.Code != Expired {
		t.Errorf("ended by %v", ended)
	}
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

func TestWhatWasVerifiedShowsNoToken(t *testing.T) {
	scene := readyScene(t)
	step, token := scene.verified(t, "good"), scene.feed.Tokens["good"]
	printed := fmt.Sprintf("%v %+v %#v", step, *step, *step)
	if strings.Contains(printed, token) || strings.Contains(printed, token[strings.LastIndex(token, ".")+1:]) {
		t.Error("a print of a step shows its token")
	}
}
