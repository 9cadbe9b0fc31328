/**
 * A copy of an object with one member replaced. Frameworks mark their objects by prototypes and by members that are hidden or named by
 * symbols; all of these stay.
 */
export function withMember<Value extends object>(value: Value, name: string, member: unknown): Value {
  const descriptors = Object.getOwnPropertyDescriptors(value);
  const replaced = { value: member, writable: true, enumerable: true, configurable: true };
  return Object.create(Object.getPrototypeOf(value), { ...descriptors, [name]: replaced });
}
