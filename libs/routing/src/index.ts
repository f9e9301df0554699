/** Decides which subscriptions of a topic an event is for, and says why. */
export type { Explanation } from './clause.js';
export { operatorNames } from './event-grid.js';
export { defaultFilterLimits, type FilterLimits, FilterRefused } from './faults.js';
export { type CompiledFilter, checkFilter, compileFilter, type Filters } from './filter.js';
export { eventGridOperand, type Operand } from './operand.js';
export { RoutingIndex } from './routing-index.js';
