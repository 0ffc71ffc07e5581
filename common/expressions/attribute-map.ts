// A group of attributes (`request`, `response.headers`, …) whose values are made only when an expression asks for them.
// In: a look-up function. Out: a Map that CEL reads; a name without value is a missing key. Source: waypoint-telemetry.md §4.

/** What an attribute may be. 64-bit integers are bigint; a `number` is a CEL double. */
export type AttributeValue = string | bigint | boolean | number | null | Uint8Array | object;

/** CEL accepts any Map; this one asks `lookUp` instead of holding entries. `names` serves size(), `in` over keys and macros. */
export class AttributeMap extends Map<string, AttributeValue> {
  readonly #lookUp: (name: string) => AttributeValue | undefined;
  readonly #names: () => readonly string[];

  constructor(lookUp: (name: string) => AttributeValue | undefined, names: () => readonly string[] = () => []) {
    super();
    this.#lookUp = lookUp;
    this.#names = names;
  }

  override get size(): number {
    return this.#names().length;
  }

  override get(name: string): AttributeValue | undefined {
    return typeof name === 'string' ? this.#lookUp(name) : undefined;
  }

  override has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  override *keys(): MapIterator<string> {
    yield* this.#names();
  }

  override *entries(): MapIterator<[string, AttributeValue]> {
    for (const name of this.#names()) {
      const value = this.get(name);
      if (value !== undefined) yield [name, value];
    }
  }

  override *values(): MapIterator<AttributeValue> {
    for (const [, value] of this.entries()) yield value;
  }

  override [Symbol.iterator](): MapIterator<[string, AttributeValue]> {
    return this.entries();
  }

  override forEach(visit: (value: AttributeValue, key: string, map: Map<string, AttributeValue>) => void): void {
    for (const [name, value] of this.entries()) visit(value, name, this);
  }
}
