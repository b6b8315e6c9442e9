/** The server's own error numbers and names (mongo/src/mongo/base/error_codes.yml), as far as this store answers with them. */
const codeNames = {
  1: "InternalError",
  2: "BadValue",
  9: "FailedToParse",
  13: "Unauthorized",
  14: "TypeMismatch",
  16: "InvalidLength",
  20: "IllegalOperation",
  26: "NamespaceNotFound",
  27: "IndexNotFound",
  28: "PathNotViable",
  40: "ConflictingUpdateOperators",
  43: "CursorNotFound",
  48: "NamespaceExists",
  52: "DollarPrefixedFieldName",
  54: "NotSingleValueField",
  59: "CommandNotFound",
  66: "ImmutableField",
  67: "CannotCreateIndex",
  72: "InvalidOptions",
  73: "InvalidNamespace",
  85: "IndexOptionsConflict",
  86: "IndexKeySpecsConflict",
  91: "ShutdownInProgress",
  115: "CommandNotSupported",
  168: "InvalidPipelineOperator",
  171: "CannotIndexParallelArrays",
  197: "InvalidIndexSpecificationOption",
  238: "NotImplemented",
  292: "QueryExceededMemoryLimitNoDiskUseAllowed",
  10334: "BSONObjectTooLarge",
  11000: "DuplicateKey",
  14031: "OutOfDiskSpace",
  15958: "Location15958",
  15975: "Location15975",
  17280: "KeyTooLong",
  40323: "Location40323",
  40324: "Location40324",
  40414: "Location40414",
  40415: "Location40415",
  40573: "Location40573",
  51024: "Location51024",
  51091: "Location51091",
  51108: "Location51108",
} as const satisfies Record<number, string>;

export type CommandErrorCode = keyof typeof codeNames;

/** What a command is refused with; goes to the client as `{ok: 0, code, codeName, errmsg}` or as one entry of `writeErrors`. */
export class CommandError extends Error {
  readonly code: CommandErrorCode;
  /** Fields beside the message, as the server sends them: `keyPattern` and `keyValue` of a duplicate key. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: CommandErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = "CommandError";
    this.code = code;
    this.details = details;
  }

  get codeName(): string {
    return codeNames[this.code];
  }
}
