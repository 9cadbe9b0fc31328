package stint

// Principal is a person or service, by their login.
type Principal struct {
	Issuer, Subject string
}

// StepFacts are what a token says of the step that it identifies.
type StepFacts struct {
	StepID  string
	RunID   string
	Step    string
	Attempt int
	// Agent is the agent's stable SPIFFE ID.
	Agent string
	// Workflow is empty where there is none.
	Workflow string
	// ParentStepID is that of a delegated step; else empty.
	ParentStepID string
	// Principal is on whose behalf the run works, where that was verified; else nil.
	Principal *Principal
}

// stepFactsOf gives the step facts in a token's claims; nil when the claims name no step.
//
// Flat claims repeat what the SPIFFE ID says, and a token whose claims and SPIFFE ID differ is refused: one reader would believe the
// claims, the next the SPIFFE ID.
func stepFactsOf(claims map[string]any, id spiffeID) (*StepFacts, *Refusal) {
	stepID, isStep := claims["step_id"]
	if !isStep {
		return nil, nil
	}
	name, isNamed := id.stepName()
	attempt, isWhole := wholeNumberOf(claims["attempt"])
	isSame := claims["run_id"] == name.runID && claims["step"] == name.step && isWhole && attempt == float64(name.attempt)
	if !isNamed || !isSame {
		return nil, claimsInvalid("run_id, step and attempt as the subject has them")
	}
	facts := &StepFacts{RunID: name.runID, Step: name.step, Attempt: name.attempt, Agent: name.agent}
	var refused *Refusal
	if facts.StepID, refused = textOf(stepID, "step_id"); refused != nil {
		return nil, refused
	}
	if claims["client_id"] != name.agent {
		return nil, claimsInvalid("client_id as the agent of the subject")
	}
	if facts.Workflow, refused = optionalText(claims, "workflow"); refused != nil {
		return nil, refused
	}
	if facts.ParentStepID, refused = optionalText(claims, "parent_step_id"); refused != nil {
		return nil, refused
	}
	if principal, isThere := claims["principal"]; isThere {
		if facts.Principal, refused = principalOf(principal); refused != nil {
			return nil, refused
		}
	}
	return facts, nil
}

func principalOf(value any) (*Principal, *Refusal) {
	members, isObject := value.(map[string]any)
	if !isObject {
		return nil, claimsInvalid("principal as an object")
	}
	issuer, refused := textOf(members["iss"], "principal.iss")
	if refused != nil {
		return nil, refused
	}
	subject, refused := textOf(members["sub"], "principal.sub")
	return &Principal{Issuer: issuer, Subject: subject}, refused
}
