package main

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// The few messages that a caller sends, field by field as proto/ numbers them: no stubs are needed for them, and encoding them takes no
// CPU worth telling.

const (
	openMethod      = "/stint.v1.Steps/Open"
	closeMethod     = "/stint.v1.Steps/Close"
	issueJwtMethod  = "/stint.v1.Credentials/IssueJwtSvid"
	issueX509Method = "/stint.v1.Credentials/IssueX509Svid"
	watchMethod     = "/stint.v1.Revocations/Watch"
	fetchJwtMethod  = "/SpiffeWorkloadAPI/FetchJWTSVID"
	fetchX509Method = "/SpiffeWorkloadAPI/FetchX509SVID"

	agent = "bench"
	// stint.v1.Outcome: completed.
	completed = 1
)

func withBytes[Value string | []byte](message []byte, field protowire.Number, value Value) []byte {
	message = protowire.AppendTag(message, field, protowire.BytesType)
	return protowire.AppendString(message, string(value))
}

func withNumber(message []byte, field protowire.Number, value uint64) []byte {
	message = protowire.AppendTag(message, field, protowire.VarintType)
	return protowire.AppendVarint(message, value)
}

// openRequest: executed by the process that opens it, and with a JWT-SVID for the audience, if there is one.
func openRequest(run, step string, grant []byte, audience string) []byte {
	var message []byte
	message = withBytes(message, 1, run)
	message = withBytes(message, 2, step)
	message = withBytes(message, 4, agent)
	message = withBytes(message, 7, grant)
	if audience != "" {
		message = withBytes(message, 16, withBytes(nil, 2, withBytes(nil, 1, audience)))
	}
	return message
}

func closeRequest(stepID string) []byte {
	return withNumber(withBytes(nil, 1, stepID), 2, completed)
}

func issueJwtRequest(stepID, audience string) []byte {
	return withBytes(withBytes(nil, 1, stepID), 2, withBytes(nil, 1, audience))
}

func issueX509Request(stepID string, csr []byte) []byte {
	return withBytes(withBytes(nil, 1, stepID), 2, csr)
}

func fetchJwtRequest(spiffeID, audience string) []byte {
	return withBytes(withBytes(nil, 1, audience), 2, spiffeID)
}

// fieldsOf gives all values of one field that are bytes, texts or messages.
func fieldsOf(message []byte, wanted protowire.Number) (values [][]byte, err error) {
	for len(message) > 0 {
		field, kind, length := protowire.ConsumeTag(message)
		if length < 0 {
			return nil, protowire.ParseError(length)
		}
		message = message[length:]
		if field == wanted && kind == protowire.BytesType {
			value, length := protowire.ConsumeBytes(message)
			if length < 0 {
				return nil, protowire.ParseError(length)
			}
			values = append(values, value)
			message = message[length:]
			continue
		}
		if length = protowire.ConsumeFieldValue(field, kind, message); length < 0 {
			return nil, protowire.ParseError(length)
		}
		message = message[length:]
	}
	return values, nil
}

// fieldAt follows the first values of nested fields.
func fieldAt(message []byte, path ...protowire.Number) ([]byte, error) {
	for _, field := range path {
		values, err := fieldsOf(message, field)
		if err != nil {
			return nil, err
		}
		if len(values) == 0 {
			return nil, fmt.Errorf("an answer without field %d", field)
		}
		message = values[0]
	}
	return message, nil
}

// step is what an answer to Open says.
type step struct{ id, spiffeID string }

func stepOf(openResponse []byte) (step, error) {
	id, err := fieldAt(openResponse, 1, 1)
	if err != nil {
		return step{}, err
	}
	spiffeID, err := fieldAt(openResponse, 1, 4)
	return step{string(id), string(spiffeID)}, err
}
