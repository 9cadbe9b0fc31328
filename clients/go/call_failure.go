package stint

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const errorDomain = "stint"

// callFailure is a call that was refused or failed, as the caller sees it.
type callFailure struct {
	// The broker's, where it gave one; one that this version does not know is a refusal all the same.
	reason   string
	message  string
	metadata map[string]string
	// Nobody answered: then this is no refusal, and nothing is known of what was done.
	isUnreachable bool
	// All of it in a few words.
	text string
}

func callFailureOf(err error) *callFailure {
	failed := status.Convert(err)
	for _, detail := range failed.Details() {
		info, isInfo := detail.(*errdetails.ErrorInfo)
		if isInfo && info.GetDomain() == errorDomain && info.GetReason() != "" {
			return &callFailure{
				reason: info.GetReason(), message: failed.Message(), metadata: info.GetMetadata(),
				text: info.GetReason() + ": " + failed.Message(),
			}
		}
	}
	isUnreachable := failed.Code() == codes.Unavailable || failed.Code() == codes.DeadlineExceeded
	return &callFailure{message: failed.Message(), isUnreachable: isUnreachable, text: failed.Code().String()}
}

// ownFailure is of ours, about what the broker has sent or left unsent: it has refused nothing.
func ownFailure(code, message string) *callFailure {
	return &callFailure{message: message, text: code + ": " + message}
}
