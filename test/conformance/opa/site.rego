package stint

# Nobody but the payroll agent uses the payroll tool, whatever an entry's ceiling says.
element_forbids[index] contains "site.no-payroll" if {
	some index, element in input.elements
	element.identifier in {"payroll", "*"}
	input.agent != "payroll"
}
