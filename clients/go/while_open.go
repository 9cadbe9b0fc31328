package stint

import (
	"context"
	"errors"
	"time"
)

// How often work that is under way is held to the verifier's staleness bound, which no event tells of.
const recheckInterval = time.Second

// Call is a use of a tool that is about to be made.
type Call struct {
	ToolUse
	// Asked has the broker asked about it whatever the grant says: for calls of high risk. A use that the grant counts is asked about
	// anyway.
	Asked bool
}

// WhileOpen gives a context for work that ends when its step ends: it is then done, and [context.Cause] is the *Refusal that says why.
//
// So it is when the verifier has been without the feed for longer than what is done allows. Call cancel when the work is over. call is
// what the work does, which must be granted; nil: only that the step may still be served is looked at. It fails as
// [Verifier.Authorize] and [Verifier.Check] do.
func (verifier *Verifier) WhileOpen(
	ctx context.Context, step *VerifiedStep, call *Call,
) (open context.Context, cancel context.CancelFunc, err error) {
	isAsked := false
	if call != nil {
		if isAsked, err = verifier.isCounted(step, call.ToolUse); err != nil {
			return nil, nil, err
		}
		isAsked = isAsked || call.Asked
	}
	open, end := context.WithCancelCause(ctx)
	stop := verifier.OnClosed(step, func(refused *Refusal) { end(refused) })
	cancel = func() {
		stop()
		end(context.Canceled)
	}
	if isAsked {
		_, err = verifier.Check(open, step, call.ToolUse)
	}
	// Whatever the broker has said: of a step that has ended meanwhile, that it has.
	if ended := EndOf(open); ended != nil {
		err = ended
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	go verifier.recheckOften(open, step, call, end)
	return open, cancel, nil
}

// EndOf gives why the step of a context of [Verifier.WhileOpen] has ended; nil while it has not, or the work is over.
func EndOf(open context.Context) *Refusal {
	var refused *Refusal
	if errors.As(context.Cause(open), &refused) {
		return refused
	}
	return nil
}

func (verifier *Verifier) recheckOften(ctx context.Context, step *VerifiedStep, call *Call, end context.CancelCauseFunc) {
	clock := verifier.options.Clock
	for {
		clock.SleepUntil(ctx, clock.Monotonic()+recheckInterval)
		if ctx.Err() != nil {
			return
		}
		if err := verifier.recheck(step, call); err != nil {
			end(err)
			return
		}
	}
}

func (verifier *Verifier) recheck(step *VerifiedStep, call *Call) error {
	if call == nil {
		return verifier.Recheck(step)
	}
	_, err := verifier.isCounted(step, call.ToolUse)
	var refused *Refusal
	// A call goes on past the expiry of the token that it came with, which was for calling; but never past its step's end.
	if errors.As(err, &refused) && refused.Code == Expired {
		// It ends with its token all the same where nobody would tell of its step's end.
		return verifier.Recheck(step)
	}
	return err
}
