/**
 * What the rooms need of a logger: one wide structured line per occurrence. pino satisfies it. Strings from outside go
 * into `fields`, never into the message, so that one occurrence stays one line.
 */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Whether lines of this level go anywhere; absent: unknown. Spares the making of lines that nobody would see. */
  isLevelEnabled?(level: 'debug' | 'info' | 'warn' | 'error'): boolean;
}
