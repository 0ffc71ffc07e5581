// Mixer's expressions, typed and compiled once. In: text. Out: a function from attributes to a value, undefined where an attribute that is
// needed is absent; or why it is no expression. Source: waypoint-telemetry.md §7.3.
import { compileExpression as compileCel } from '../../common/expressions/expression.ts';
import { type AttributeLookUp, typeOfAttribute, type Value, type ValueType } from './attributes.ts';
import { parseExpression, type Tree } from './expression-syntax.ts';

export interface Expression {
  readonly type: ValueType;
  readonly attributes: ReadonlySet<string>;
  evaluate(attributes: AttributeLookUp): Value | undefined;
}

type Evaluate = (attributes: AttributeLookUp) => Value | undefined;

interface Typed {
  readonly type: ValueType;
  readonly evaluate: Evaluate;
}

/** @throws Error with what is wrong */
export function compileMixerExpression(text: string): Expression {
  const attributes = new Set<string>();
  const { type, evaluate } = compile(parseExpression(text), attributes);
  return { type, evaluate, attributes };
}

function compile(tree: Tree, used: Set<string>): Typed {
  switch (tree.kind) {
    case 'literal':
      return literal(tree.value, tree.isDouble);
    case 'attribute': {
      const type = typeOfAttribute(tree.name);
      if (type === undefined) throw new Error(`unknown attribute ${tree.name}`);
      used.add(tree.name);
      return { type, evaluate: (attributes) => attributes(tree.name) };
    }
    case 'index': {
      const map = expecting('map', compile(tree.of, used));
      const key = expecting('string', compile(tree.key, used));
      return { type: 'string', evaluate: (attributes) => at(map(attributes), key(attributes)) };
    }
    case 'call':
      return call(
        tree.name,
        [...(tree.on === undefined ? [] : [tree.on]), ...tree.given].map((one) => compile(one, used)),
      );
    case 'binary':
      return binary(tree.operator, compile(tree.left, used), compile(tree.right, used));
  }
}

function literal(value: string | number | boolean, isDouble: boolean): Typed {
  const evaluate: Evaluate = () => value;
  if (typeof value === 'string') return { type: 'string', evaluate };
  if (typeof value === 'boolean') return { type: 'bool', evaluate };
  return { type: isDouble ? 'double' : 'int', evaluate };
}

function at(map: Value | undefined, key: Value | undefined): Value | undefined {
  return map instanceof Map && typeof key === 'string' ? map.get(key) : undefined;
}

function expecting(type: ValueType, { type: found, evaluate }: Typed): Evaluate {
  if (found !== type) throw new Error(`is a ${found} where a ${type} is needed`);
  return evaluate;
}

function binary(operator: string, left: Typed, right: Typed): Typed {
  if (operator === '&&' || operator === '||')
    return logical(operator, expecting('bool', left), expecting('bool', right));
  if (left.type !== right.type) throw new Error(`"${operator}" between a ${left.type} and a ${right.type}`);
  const { type } = left;
  if (operator === '|') {
    return { type, evaluate: (attributes) => left.evaluate(attributes) ?? right.evaluate(attributes) };
  }
  const apply = operators[operator];
  if (apply === undefined || type === 'map') throw new Error(`no operator "${operator}" for a ${type}`);
  if (operator === '+' && type === 'bool') throw new Error('no operator "+" for a bool');
  return { type: operator === '+' ? type : 'bool', evaluate: both(left.evaluate, right.evaluate, apply) };
}

type Scalar = string | number | boolean;

const operators: Readonly<Record<string, (a: Scalar, b: Scalar) => Scalar>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '+': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a + b : `${a}${b}`),
};

/** Absent as soon as one of them is. */
function both(left: Evaluate, right: Evaluate, apply: (a: Scalar, b: Scalar) => Scalar): Evaluate {
  return (attributes) => {
    const a = left(attributes);
    const b = right(attributes);
    if (a === undefined || b === undefined || typeof a === 'object' || typeof b === 'object') return undefined;
    return apply(a, b);
  };
}

function logical(operator: '&&' | '||', left: Evaluate, right: Evaluate): Typed {
  const decides = operator === '||';
  return {
    type: 'bool',
    evaluate(attributes) {
      const first = left(attributes);
      return first === undefined || first === decides ? first : right(attributes);
    },
  };
}

const ofTwoTexts: Readonly<Record<string, (a: string, b: string) => boolean>> = {
  match: (text, pattern) => {
    if (pattern.endsWith('*')) return text.startsWith(pattern.slice(0, -1));
    return pattern.startsWith('*') ? text.endsWith(pattern.slice(1)) : text === pattern;
  },
  matches: (pattern, text) => matchesRegex(pattern, text),
  startsWith: (text, prefix) => text.startsWith(prefix),
  endsWith: (text, suffix) => text.endsWith(suffix),
};

const ofOneText: Readonly<Record<string, { readonly type: ValueType; apply(text: string): Value }>> = {
  toLower: { type: 'string', apply: (text) => text.toLowerCase() },
  size: { type: 'int', apply: (text) => Buffer.byteLength(text) },
  ip: { type: 'string', apply: (text) => text },
};

function call(name: string, given: readonly Typed[]): Typed {
  const [first, second, third] = given;
  const compare = Object.hasOwn(ofTwoTexts, name) ? ofTwoTexts[name] : undefined;
  if (compare !== undefined && first !== undefined && second !== undefined && given.length === 2) {
    const texts = [expecting('string', first), expecting('string', second)] as const;
    return { type: 'bool', evaluate: both(...texts, (a, b) => compare(String(a), String(b))) };
  }
  const change = Object.hasOwn(ofOneText, name) ? ofOneText[name] : undefined;
  if (change !== undefined && first !== undefined && given.length === 1) {
    const text = expecting('string', first);
    return {
      type: change.type,
      evaluate(attributes) {
        const value = text(attributes);
        return typeof value === 'string' ? change.apply(value) : undefined;
      },
    };
  }
  if (name === 'emptyStringMap' && given.length === 0) return { type: 'map', evaluate: () => new Map() };
  if ((name === 'conditional' || name === 'conditionalString') && first && second && third && given.length === 3) {
    return conditional(expecting('bool', first), second, third);
  }
  throw new Error(`no function ${name} of ${given.length} arguments`);
}

function conditional(condition: Evaluate, yes: Typed, no: Typed): Typed {
  const otherwise = expecting(yes.type, no);
  return {
    type: yes.type,
    evaluate(attributes) {
      const holds = condition(attributes);
      if (holds === undefined) return undefined;
      return holds === true ? yes.evaluate(attributes) : otherwise(attributes);
    },
  };
}

/** In linear time, as everywhere. */
const regex = compileCel('text.matches(pattern)');

function matchesRegex(pattern: string, text: string): boolean {
  const outcome = regex.kind === 'compiled' ? regex.evaluate({ pattern, text }) : undefined;
  return outcome?.kind === 'value' && outcome.value === true;
}
