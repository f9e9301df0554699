/**
 * The syntax tree of an expression. Parentheses leave no trace but the tree's shape. Operators of equal precedence are
 * one node with a first operand and steps from left to right, so that a tree is never much deeper than the expression
 * is nested: whoever walks it may recurse, however long a chain of operators is.
 */
import type { CesqlValue } from './values.js';

export type LogicOperator = 'AND' | 'OR' | 'XOR';
/** `<>` is the same as `!=` (§3.4.2) and is read as it. */
export type ComparisonOperator = '=' | '!=' | '<' | '<=' | '>' | '>=';
export type ArithmeticOperator = '*' | '/' | '%' | '+' | '-';

export type Node =
  | LiteralNode
  | AttributeNode
  | DataNode
  | ExistsNode
  | NotNode
  | NegateNode
  | LikeNode
  | InNode
  | CallNode
  | LogicNode
  | ComparisonNode
  | ArithmeticNode;

/** Every node knows the offset at which it begins in the text. */
interface Place {
  readonly at: number;
}

export interface LiteralNode extends Place {
  readonly kind: 'literal';
  readonly value: CesqlValue;
}

/** A context attribute, by its lower-case name. */
export interface AttributeNode extends Place {
  readonly kind: 'attribute';
  readonly name: string;
}

/** A place in JSON data, by the keys that lead there; there is at least one. */
export interface DataNode extends Place {
  readonly kind: 'data';
  readonly path: readonly string[];
}

export interface ExistsNode extends Place {
  readonly kind: 'exists';
  readonly target: AttributeNode | DataNode;
}

export interface NotNode extends Place {
  readonly kind: 'not';
  readonly operand: Node;
}

export interface NegateNode extends Place {
  readonly kind: 'negate';
  readonly operand: Node;
}

export interface LikeNode extends Place {
  readonly kind: 'like';
  readonly operand: Node;
  /** As in the text, its wildcards and their escapes included; `compileLike` reads it. */
  readonly pattern: string;
  readonly negated: boolean;
}

export interface InNode extends Place {
  readonly kind: 'in';
  readonly operand: Node;
  /** At least one. */
  readonly elements: readonly Node[];
  readonly negated: boolean;
}

export interface CallNode extends Place {
  readonly kind: 'call';
  /** In upper case. Whether there is such a function is not the syntax's business (§3.5). */
  readonly name: string;
  readonly operands: readonly Node[];
}

export interface Step<Operator> {
  readonly operator: Operator;
  readonly operand: Node;
}

/**
 * AND, OR and XOR, which bind equally and from left to right (§3.6): `a OR b AND c` is `(a OR b) AND c`. The operand
 * of an AND must therefore be true for the whole to be true if every step behind it is an AND too; the first operand,
 * if all steps are.
 */
export interface LogicNode extends Place {
  readonly kind: 'logic';
  readonly first: Node;
  readonly steps: readonly Step<LogicOperator>[];
}

/** Nearly always of one step. `1 < 2 < 3` compares 3 with the result of `1 < 2`. */
export interface ComparisonNode extends Place {
  readonly kind: 'comparison';
  readonly first: Node;
  readonly steps: readonly Step<ComparisonOperator>[];
}

/** Either all of `*`, `/` and `%`, or all of `+` and `-`. */
export interface ArithmeticNode extends Place {
  readonly kind: 'arithmetic';
  readonly first: Node;
  readonly steps: readonly Step<ArithmeticOperator>[];
}
