# The baseline for an OPA server: the same decisions as the Cedar policies in `baseline/`, by the same names.
#
# A site adds rules of its own in further files of this package: `whole_forbids contains "site.name" if …` and
# `element_forbids[index] contains "site.name" if …`. Whatever forbids, denies.
package stint

# What the broker asks for, as `stint/decision`. Undefined, which denies everything, unless all that the rules below read was
# sent: a rule that reads what is not there is undefined, and a rule that is undefined forbids nothing.
decision := {
	"whole": effect(whole_forbids),
	"elements": [effect(object.get(element_forbids, index, set())) | some index, _ in input.elements],
} if {
	all_is_sent
}

# The ceiling of an agent's entry, and the grant of a parent, are applied before any policy is asked. What they permit is
# permitted here; every other rule only takes away from it.
#
# The whole is whether a step may be opened, or stay open. It is not in question where one tool is to be called.
effect(forbids) := {"effect": "allow", "policies": ["baseline.ceiling"]} if count(forbids) == 0

effect(forbids) := {"effect": "deny", "policies": sort(forbids)} if count(forbids) > 0

# Risk: with each hop the agent at work is farther from whoever asked for the work, and an instruction that was slipped in on
# the way is harder to notice.
whole_forbids contains "baseline.delegation-depth" if {
	input.act in {"open", "judge"}
	input.parent != null
	input.depth > 3
}

# Risk: something is known to be wrong. Nothing is opened, nothing goes on, and no tool is called.
whole_forbids contains "baseline.high-risk" if {
	input.act in {"open", "judge"}
	highest == "high"
}

element_forbids[index] contains "baseline.high-risk" if {
	some index, _ in input.elements
	highest == "high"
}

# Risk: a detector or a person has seen something odd. What changes the world, or takes something out, waits until that is
# understood; reading goes on, so that work in hand need not be thrown away.
element_forbids[index] contains "baseline.elevated-risk" if {
	some index, element in input.elements
	highest == "elevated"
	some action in element.actions
	action != "read"
}

# Risk: an agent that was told by what it read to take a secret somewhere needs a secret, and a place to write or send it to.
# No single step has two of them.
element_forbids[index] contains "baseline.separation" if {
	some index, element in input.elements
	apart := {"write", "retrieve_secret", "move_data"}
	requested := {action | some action in input.requested[_].actions}
	count(requested & apart) > 1
	some action in element.actions
	action in apart
}

# Risk: a run that has seen restricted data can carry it out, and one that has seen untrusted content may by now do what that
# content says. From there on it changes, runs and moves things only inside of the security domain of those classes of data.
element_forbids[index] contains "baseline.ratchet" if {
	some index, element in input.elements
	input.confined_to != null
	some action in element.actions
	action in {"write", "execute", "move_data"}
	some location in element.locations
	not location in input.confined_to
}

highest := "high" if "high" in levels

highest := "elevated" if {
	"elevated" in levels
	not "high" in levels
}

levels := {input.risk.domain, input.risk.agent, input.risk.run}

# `null` is what a request has not; undefined is what was not sent.
all_is_sent if {
	input.act in {"open", "judge", "call"}
	every scope in ["domain", "agent", "run"] {
		input.risk[scope] in {"low", "elevated", "high"}
	}
	is_array(input.elements)
	is_array(input.requested)
	is_number(input.depth)
	type_name(input.parent) in {"null", "object"}
	type_name(input.confined_to) in {"null", "array"}
}
