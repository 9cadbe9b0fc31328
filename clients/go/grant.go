package stint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Action is what a tool call does to its data.
type Action string

// All actions that there are.
const (
	Read           Action = "read"
	Write          Action = "write"
	Execute        Action = "execute"
	RetrieveSecret Action = "retrieve_secret"
	MoveData       Action = "move_data"
)

var allActions = []Action{Read, Write, Execute, RetrieveSecret, MoveData}

const anyTool = "*"

var (
	grantMembers      = []string{"type", "locations", "identifier", "actions", "datatypes", "max_calls", "definition_sha256"}
	identifierPattern = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,128}$`)
	datatypePattern   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	definitionPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// GrantElement is one element of a grant, in the member names of RFC 9396; "*" as identifier stands for every tool.
type GrantElement struct {
	Type       string   `json:"type"`
	Locations  []string `json:"locations"`
	Identifier string   `json:"identifier"`
	Actions    []Action `json:"actions"`
	Datatypes  []string `json:"datatypes"`
	// MaxCalls is how many calls the element allows, all in all; 0: any number. Only the broker counts.
	MaxCalls int `json:"max_calls,omitempty"`
	// DefinitionSHA256 is the digest of the tool's definition for which alone the element holds; empty: whichever the server shows.
	DefinitionSHA256 string `json:"definition_sha256,omitempty"`
}

// Grant is what a step may do.
type Grant []GrantElement

// ToolUse is one use of a tool.
type ToolUse struct {
	Tool string
	// Actions are what it does; all of it must be granted. At least one.
	Actions []Action
	// Datatypes are the classes of data that it touches; all must be granted. At least one.
	Datatypes []string
	// DefinitionSHA256 is the digest of the tool's definition as its server shows it; empty: not known, so that no grant for one
	// definition covers the use.
	DefinitionSHA256 string
}

// check refuses a use that says nothing of what is done, or to what: every grant would cover it.
func (use ToolUse) check() error {
	if len(use.Actions) == 0 {
		return invalidField("actions", "at least one")
	}
	if len(use.Datatypes) == 0 {
		return invalidField("datatypes", "at least one")
	}
	if use.DefinitionSHA256 != "" && !definitionPattern.MatchString(use.DefinitionSHA256) {
		return invalidField("definition_sha256", "64 digits 0-9 and a-f")
	}
	return nil
}

// Element is the element of a grant that would permit the use at a location.
//
// It fails with an *Error INVALID_FIELD for what no grant could have.
func (use ToolUse) Element(location string) (GrantElement, error) {
	actionNames := make([]any, len(use.Actions))
	for index, action := range use.Actions {
		actionNames[index] = string(action)
	}
	datatypes := make([]any, len(use.Datatypes))
	for index, datatype := range use.Datatypes {
		datatypes[index] = datatype
	}
	element, err := grantElementOf(map[string]any{
		"type":       "mcp_tool",
		"locations":  []any{location},
		"identifier": use.Tool,
		"actions":    actionNames,
		"datatypes":  datatypes,
	}, "use")
	if err != nil {
		return GrantElement{}, err
	}
	return element, nil
}

// parseGrant accepts a grant as it comes from outside: five members are needed, none may be unknown, URIs are
// canonical.
// See RFC 9396 section 2.
func parseGrant(value any, field string) (Grant, *Error) {
	elements, isList := value.([]any)
	if !isList {
		return nil, invalidField(field, "a list of elements of type mcp_tool")
	}
	if len(elements) > grantElementsMax {
		return nil, invalidField(field, fmt.Sprintf("at most %d elements", grantElementsMax))
	}
	grant := make(Grant, len(elements))
	for index, element := range elements {
		parsed, err := grantElementOf(element, fmt.Sprintf("%s[%d]", field, index))
		if err != nil {
			return nil, err
		}
		grant[index] = parsed
	}
	return grant, nil
}

func grantElementOf(value any, field string) (GrantElement, *Error) {
	none := GrantElement{}
	members, isObject := value.(map[string]any)
	if !isObject {
		return none, invalidField(field, "an object")
	}
	for name := range members {
		if !slices.Contains(grantMembers, name) {
			return none, invalidField(field, "only the members "+strings.Join(grantMembers, ", "))
		}
	}
	if members["type"] != "mcp_tool" {
		return none, invalidField(field+".type", "mcp_tool")
	}
	identifier, _ := members["identifier"].(string)
	if identifier != anyTool && !identifierPattern.MatchString(identifier) {
		expected := "a tool name of 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '/', '-', or '*'"
		return none, invalidField(field+".identifier", expected)
	}
	element := GrantElement{Type: "mcp_tool", Identifier: identifier}
	var err *Error
	if element.Locations, err = listOf(members, "locations", field); err != nil {
		return none, err
	}
	for _, location := range element.Locations {
		if err := checkResourceURI(location, field+".locations"); err != nil {
			return none, err
		}
	}
	if element.Actions, err = actionsOf(members, field); err != nil {
		return none, err
	}
	if element.Datatypes, err = listOf(members, "datatypes", field); err != nil {
		return none, err
	}
	for _, datatype := range element.Datatypes {
		if !datatypePattern.MatchString(datatype) {
			return none, invalidField(field+".datatypes", "names of 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '-'")
		}
	}
	if element.MaxCalls, err = callCountOf(members, field); err != nil {
		return none, err
	}
	element.DefinitionSHA256, err = definitionOf(members, identifier, field)
	return element, err
}

func definitionOf(members map[string]any, identifier, field string) (string, *Error) {
	value, isThere := members["definition_sha256"]
	if !isThere {
		return "", nil
	}
	definition, _ := value.(string)
	if identifier == anyTool || !definitionPattern.MatchString(definition) {
		return "", invalidField(field+".definition_sha256", "64 digits 0-9 and a-f, with the name of one tool")
	}
	return definition, nil
}

func actionsOf(members map[string]any, field string) ([]Action, *Error) {
	names, err := listOf(members, "actions", field)
	if err != nil {
		return nil, err
	}
	found := make([]Action, len(names))
	for index, name := range names {
		if found[index] = Action(name); !slices.Contains(allActions, found[index]) {
			return nil, invalidField(field+".actions", "of "+namesOf(allActions))
		}
	}
	return found, nil
}

func listOf(members map[string]any, name, field string) ([]string, *Error) {
	texts, areTexts := textsOf(members[name])
	if !areTexts || len(texts) == 0 {
		return nil, invalidField(field+"."+name, "a non-empty list of strings")
	}
	if len(texts) > grantListMax {
		return nil, invalidField(field+"."+name, fmt.Sprintf("at most %d elements", grantListMax))
	}
	for index, text := range texts {
		if slices.Contains(texts[:index], text) {
			return nil, invalidField(field+"."+name, "no element twice")
		}
	}
	return texts, nil
}

func callCountOf(members map[string]any, field string) (int, *Error) {
	value, isThere := members["max_calls"]
	if !isThere {
		return 0, nil
	}
	count, isWhole := wholeNumberOf(value)
	if !isWhole || count < 1 || count > grantCallsMax {
		return 0, invalidField(field+".max_calls", fmt.Sprintf("a whole number from 1 to %d", grantCallsMax))
	}
	return int(count), nil
}

func namesOf(actions []Action) string {
	texts := make([]string, len(actions))
	for index, action := range actions {
		texts[index] = string(action)
	}
	return strings.Join(texts, ", ")
}

// coverage says how one element of a grant covers all of a use at an audience, however often.
//
// isCounted: every element that covers the use allows so many calls only, which the broker counts.
func (grant Grant) coverage(audience string, use ToolUse) (isCovered, isCounted bool) {
	isCounted = true
	for _, element := range grant {
		if element.covers(audience, use) {
			isCovered = true
			isCounted = isCounted && element.MaxCalls > 0
		}
	}
	return isCovered, isCovered && isCounted
}

func (element GrantElement) covers(audience string, use ToolUse) bool {
	isMissing := func(action Action) bool { return !slices.Contains(element.Actions, action) }
	isUnnamed := func(datatype string) bool { return !slices.Contains(element.Datatypes, datatype) }
	return (element.Identifier == anyTool || element.Identifier == use.Tool) &&
		slices.Contains(element.Locations, audience) &&
		!slices.ContainsFunc(use.Actions, isMissing) &&
		!slices.ContainsFunc(use.Datatypes, isUnnamed) &&
		(element.DefinitionSHA256 == "" || element.DefinitionSHA256 == use.DefinitionSHA256)
}

// isForOtherDefinition says whether an element would cover the use if it were for every definition of the tool.
func (grant Grant) isForOtherDefinition(audience string, use ToolUse) bool {
	return slices.ContainsFunc(grant, func(element GrantElement) bool {
		element.DefinitionSHA256 = ""
		return element.covers(audience, use)
	})
}
