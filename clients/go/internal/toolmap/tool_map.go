// Package toolmap has what calling each tool of a server takes, checked, so that a mistake in it stops the server and not its callers.
package toolmap

import (
	"errors"
	"slices"
	"strings"

	"stint.example/stint"
)

// Call is the method by which tools are called.
const Call = "tools/call"

// OtherMethods are what every MCP client does before and beside calling tools; nothing of it reads the server's data or changes it.
var OtherMethods = []string{"initialize", "ping", "server/discover", "tools/list", "notifications/*"}

// ToolMap has tools by their names.
type ToolMap struct {
	// Names are in the order in which they were given.
	Names    []string
	uses     map[string]stint.ToolUse
	elements map[string]stint.GrantElement
	asked    map[string]bool
}

// New checks tools for a resource; asked are those about whose every call the broker is asked.
//
// It fails with a *stint.Error INVALID_FIELD.
func New(resource string, tools []stint.ToolUse, asked []string) (*ToolMap, error) {
	made := &ToolMap{uses: map[string]stint.ToolUse{}, elements: map[string]stint.GrantElement{}, asked: map[string]bool{}}
	for _, tool := range tools {
		if tool.Tool == "*" {
			return nil, InvalidField("tools", "the name of each tool; what is not named is refused")
		}
		if _, isTwice := made.uses[tool.Tool]; isTwice {
			return nil, InvalidField("tools", "each tool once")
		}
		element, err := tool.Element(resource)
		if err != nil {
			return nil, invalidTool(tool.Tool, err)
		}
		made.Names = append(made.Names, tool.Tool)
		made.uses[tool.Tool], made.elements[tool.Tool] = tool, element
	}
	for _, name := range asked {
		// A name with a typing error in it would let through what was meant to be asked about.
		if _, isTool := made.uses[name]; !isTool {
			return nil, InvalidField("asked_tools", "names of the tools above")
		}
		made.asked[name] = true
	}
	return made, nil
}

// Use is what a call of a tool takes; false for a tool that is not declared.
func (tools *ToolMap) Use(name string) (stint.Call, bool) {
	use, isDeclared := tools.uses[name]
	return stint.Call{ToolUse: use, Asked: tools.asked[name]}, isDeclared
}

// Element is the same as an element of a grant; nil for a tool that is not declared.
func (tools *ToolMap) Element(name string) *stint.GrantElement {
	element, isDeclared := tools.elements[name]
	if !isDeclared {
		return nil
	}
	return &element
}

// CheckedOtherMethods gives the methods of a setting, nil for those of [OtherMethods]; it fails for one that would let through what the
// tool map decides.
func CheckedOtherMethods(methods []string) ([]string, error) {
	if methods == nil {
		return OtherMethods, nil
	}
	for _, method := range methods {
		if method == Call || method == "*" || strings.HasPrefix(method, "tools/*") {
			return nil, InvalidField("other_methods", "methods other than tools/call, which the tool map decides")
		}
	}
	return methods, nil
}

// IsOtherMethod says whether a list of methods, in which "x/*" stands for all that begin with "x/", has this one.
func IsOtherMethod(methods []string, method string) bool {
	return slices.ContainsFunc(methods, func(one string) bool {
		begin, isPrefix := strings.CutSuffix(one, "*")
		return one == method || (isPrefix && strings.HasSuffix(begin, "/") && strings.HasPrefix(method, begin))
	})
}

// InvalidField is the refusal of a setting: it names the field and what was expected of it.
func InvalidField(field, expected string) *stint.Error {
	return &stint.Error{Code: "INVALID_FIELD", Message: field + ": " + expected, Metadata: map[string]string{"field": field}}
}

func invalidTool(name string, err error) error {
	message := err.Error()
	var failed *stint.Error
	if errors.As(err, &failed) {
		message = strings.TrimPrefix(strings.TrimPrefix(failed.Message, "use"), ".")
	}
	return InvalidField("tools."+name, message)
}
