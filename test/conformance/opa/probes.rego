# Policies that do what a policy should not, each at a path of its own.
package probes

allow := {"effect": "allow", "policies": []}

everything := {"whole": allow, "elements": [allow | some _ in input.elements]}

sometimes := everything if input.depth > 100

default hidden := {"whole": {"effect": "allow", "policies": []}, "elements": [{"effect": "allow", "policies": []}]}

hidden := {"whole": {"effect": "deny", "policies": []}, "elements": []} if to_number(input.agent) > 1

conflict := everything if input.depth >= 0

conflict := "another" if input.depth >= 0

half := {"whole": allow}

asking := everything if http.send({"method": "GET", "url": data.asked, "timeout": "60s"}).status_code == 200
