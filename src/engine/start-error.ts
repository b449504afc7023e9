/** Something about the account or its market keeps us from trading: one line for the user. */
export class StartError extends Error {
  override readonly name = "StartError";
  constructor(
    readonly code:
      | "Unfunded"
      | "Vault"
      | "UnknownAgent"
      | "Dex"
      | "Decimals"
      | "Twice"
      | "NoSimulator"
      | "MetricsPort",
    message: string,
  ) {
    super(message);
  }
}
