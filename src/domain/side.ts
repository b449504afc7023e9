/** +1 buy, -1 sell, so that `side * sz` is signed. */
export const Side = { Buy: 1, Sell: -1 } as const;
export type Side = (typeof Side)[keyof typeof Side];

export const opposite = (side: Side): Side => (side === Side.Buy ? Side.Sell : Side.Buy);
export const sideName = (side: Side): "buy" | "sell" => (side === Side.Buy ? "buy" : "sell");
