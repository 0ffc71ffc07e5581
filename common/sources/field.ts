// Reads unknown JSON field by field, remembering the path, so that a malformed field can be named: `spec.ports[0].port`.
// A cursor in, narrowed values out. Absent and null are the same, as they are to the Kubernetes API server.

/** A field that does not hold what its kind says. The reader of the object turns it into a problem. */
export class MalformedField extends Error {
  readonly path: string;
  readonly remedy: string;

  /** @param message what the field holds and should hold: `is "x", not a number` */
  constructor(path: string, message: string, remedy: string) {
    super(message);
    this.name = 'MalformedField';
    this.path = path;
    this.remedy = remedy;
  }
}

const longestShownValue = 60;

export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > longestShownValue ? `${text.slice(0, longestShownValue)}…` : text;
}

export class Field {
  readonly path: string;
  readonly value: unknown;

  constructor(path: string, value: unknown) {
    this.path = path;
    this.value = value ?? undefined;
  }

  get isAbsent(): boolean {
    return this.value === undefined;
  }

  /** The member of a mapping; absent when this is absent. */
  at(key: string): Field {
    const inside = this.isAbsent ? undefined : Object.getOwnPropertyDescriptor(this.record(), key)?.value;
    return new Field(this.path === '' ? key : `${this.path}.${key}`, inside);
  }

  /** Empty when absent. */
  record(): Readonly<Record<string, unknown>> {
    if (this.isAbsent) return {};
    if (typeof this.value === 'object' && !Array.isArray(this.value)) {
      return this.value as Readonly<Record<string, unknown>>;
    }
    throw this.malformed('a mapping', 'write it as `key: value` pairs');
  }

  /** Members in the order written. */
  entries(): readonly (readonly [string, Field])[] {
    return Object.keys(this.record()).map((key) => [key, this.at(key)]);
  }

  /** Empty when absent. */
  items(): readonly Field[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.value)) throw this.malformed('a list', 'write its entries with "- " in front');
    return this.value.map((item: unknown, index) => {
      const entry = new Field(`${this.path}[${index}]`, item);
      if (entry.isAbsent) throw new MalformedField(entry.path, 'is empty', 'write the entry or remove it');
      return entry;
    });
  }

  /** "" when absent. */
  text(): string {
    if (this.isAbsent) return '';
    if (typeof this.value === 'string') return this.value;
    throw this.malformed('text', 'put it in quotes');
  }

  requiredText(): string {
    const text = this.text();
    if (text === '') throw this.malformed('a text', 'give it a value');
    return text;
  }

  texts(): readonly string[] {
    return this.items().map((item) => item.text());
  }

  /** Labels, annotations and their kin. */
  textMap(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.entries().map(([key, field]) => [key, field.text()]));
  }

  oneOf<T extends string>(allowed: readonly T[]): T | undefined {
    if (this.isAbsent) return undefined;
    const found = allowed.find((value) => value === this.value);
    if (found === undefined) throw this.malformed(`one of ${allowed.join(', ')}`, `write one of these`);
    return found;
  }

  flag(): boolean {
    if (this.isAbsent) return false;
    if (typeof this.value === 'boolean') return this.value;
    throw this.malformed('true or false', 'write true or false without quotes');
  }

  number(lowest: number, highest: number): number | undefined {
    if (this.isAbsent) return undefined;
    if (typeof this.value === 'number' && Number.isInteger(this.value)) {
      if (this.value >= lowest && this.value <= highest) return this.value;
    }
    throw this.malformed(`a whole number from ${lowest} to ${highest}`, 'write such a number without quotes');
  }

  requiredPort(): number {
    const port = this.number(1, 65535);
    if (port === undefined) throw this.malformed('a port number from 1 to 65535', 'write the number of the port');
    return port;
  }

  /** Refuses members of a mapping that are not in the list: a misspelt restriction must not vanish. */
  onlyMembers(known: readonly string[]): void {
    for (const [key, field] of this.entries()) {
      if (!known.includes(key)) {
        throw new MalformedField(field.path, 'is not a field that is known here', `use one of ${known.join(', ')}`);
      }
    }
  }

  malformed(expected: string, remedy: string): MalformedField {
    const found = this.isAbsent ? 'is missing' : `is ${show(this.value)}, not ${expected}`;
    return new MalformedField(this.path, found, remedy);
  }
}
