/** How the fields of a topic's own schema are found (Event Grid, `JsonInputSchemaMapping`). */

/** A dotted path into the publisher's object. Null is as good as none, as Event Grid exports it. */
export interface MappedField {
  readonly sourceField?: string | null;
}

export interface MappedFieldWithDefault extends MappedField {
  /** Where the object has nothing there, or no field is named. */
  readonly defaultValue?: string | null;
}

export interface InputSchemaMapping {
  readonly inputSchemaMappingType: 'Json';
  readonly properties: {
    readonly id?: MappedField | null;
    readonly topic?: MappedField | null;
    readonly eventTime?: MappedField | null;
    readonly eventType?: MappedFieldWithDefault | null;
    readonly subject?: MappedFieldWithDefault | null;
    readonly dataVersion?: MappedFieldWithDefault | null;
  };
}
