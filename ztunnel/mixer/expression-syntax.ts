// The expression language of Mixer's rules and metrics, as a tree: attributes, literals, `a["key"]`, calls, and operators with Go's precedence,
// where `|` (a default for what is absent) binds like `+`. In: text. Out: the tree, or why it is none. Source: waypoint-telemetry.md §7.3.

export type Tree =
  | { readonly kind: 'literal'; readonly value: string | number | boolean; readonly isDouble: boolean }
  /** Dotted. */
  | { readonly kind: 'attribute'; readonly name: string }
  | { readonly kind: 'index'; readonly of: Tree; readonly key: Tree }
  | { readonly kind: 'call'; readonly name: string; readonly on: Tree | undefined; readonly given: readonly Tree[] }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Tree; readonly right: Tree };

const token = /\s*(?:(\d+\.\d+|\d+)|("(?:[^"\\]|\\.)*")|([A-Za-z_]\w*)|(\|\||&&|==|!=|<=|>=|[<>|+().,[\]!*/%-]))/y;
const precedences: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '<=': 3,
  '>': 3,
  '>=': 3,
  '+': 4,
  '|': 4,
};
const longestText = 4_096;
const deepest = 64;

/** @throws Error with what is wrong */
export function parseExpression(text: string): Tree {
  if (text.length > longestText) throw new Error(`longer than ${longestText} characters`);
  const parser = new Parser(tokensOf(text));
  const tree = parser.binary(1, 0);
  parser.end();
  return tree;
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.trimEnd().length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw new Error(`cannot be read from "${text.slice(at, at + 20)}" on`);
    tokens.push(match[0].trim());
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  binary(least: number, depth: number): Tree {
    if (depth > deepest) throw new Error(`nested deeper than ${deepest}`);
    let left = this.#postfix(depth);
    for (;;) {
      const operator = this.#tokens[this.#at] ?? '';
      const precedence = precedences[operator];
      if (precedence === undefined || precedence < least) return left;
      this.#at += 1;
      left = { kind: 'binary', operator, left, right: this.binary(precedence + 1, depth + 1) };
    }
  }

  end(): void {
    const rest = this.#tokens[this.#at];
    if (rest !== undefined) throw new Error(`"${rest}" is not expected there`);
  }

  #postfix(depth: number): Tree {
    let tree = this.#primary(depth);
    for (;;) {
      if (this.#take('[')) {
        tree = { kind: 'index', of: tree, key: this.binary(1, depth + 1) };
        this.#expect(']');
      } else if (this.#take('.')) {
        tree = this.#member(tree, this.#name(), depth);
      } else {
        return tree;
      }
    }
  }

  #member(of: Tree, name: string, depth: number): Tree {
    if (this.#take('(')) return { kind: 'call', name, on: of, given: this.#given(depth) };
    if (of.kind !== 'attribute') throw new Error(`".${name}" needs an attribute before it`);
    return { kind: 'attribute', name: `${of.name}.${name}` };
  }

  #primary(depth: number): Tree {
    const next = this.#tokens[this.#at];
    if (next === undefined) throw new Error('ends too early');
    this.#at += 1;
    if (next === '(') {
      const tree = this.binary(1, depth + 1);
      this.#expect(')');
      return tree;
    }
    if (/^\d/.test(next)) return { kind: 'literal', value: Number(next), isDouble: next.includes('.') };
    if (next.startsWith('"')) return { kind: 'literal', value: String(JSON.parse(next)), isDouble: false };
    if (next === 'true' || next === 'false') return { kind: 'literal', value: next === 'true', isDouble: false };
    if (!/^[A-Za-z_]/.test(next)) throw new Error(`"${next}" is no operator that Mixer has here`);
    if (this.#take('(')) return { kind: 'call', name: next, on: undefined, given: this.#given(depth) };
    return { kind: 'attribute', name: next };
  }

  #given(depth: number): readonly Tree[] {
    const given: Tree[] = [];
    if (this.#take(')')) return given;
    do given.push(this.binary(1, depth + 1));
    while (this.#take(','));
    this.#expect(')');
    return given;
  }

  #name(): string {
    const name = this.#tokens[this.#at] ?? '';
    if (!/^[A-Za-z_]/.test(name)) throw new Error(`a name is missing after "."`);
    this.#at += 1;
    return name;
  }

  #take(wanted: string): boolean {
    if (this.#tokens[this.#at] !== wanted) return false;
    this.#at += 1;
    return true;
  }

  #expect(wanted: string): void {
    if (!this.#take(wanted)) throw new Error(`"${wanted}" is missing`);
  }
}
