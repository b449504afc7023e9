/** What a reader of figures has to know of how fills were decided. The text of `sim/tape-book.ts`, for people. */
export interface FillRule {
  readonly rule: string;
  readonly unrealistic: string;
}

/** For a resting buy at price p; a sell mirrors each. A test holds them against the code's own list. */
export const FILL_RULES: readonly FillRule[] = [
  {
    rule: "Queue. On arrival everything displayed at p stands before us: nothing if p improves the touch, everything and more if p is deeper than the recording shows. Trades move us forward; what a fall of the displayed size without trades means is the queue model's to say.",
    unrealistic:
      "With the risk-averse model cancels ahead of us never help, so fills come late (conservative). The other models guess.",
  },
  {
    rule: "Print at p by a seller: its size first consumes the queue before us, then fills us.",
    unrealistic:
      "The recorded maker who was really hit stays in the recording; the market does not react to our trade.",
  },
  {
    rule: "Print below p by a seller: fills us at p up to the print's size, best price first, then time.",
    unrealistic:
      "With us in the book the seller might have stopped at our price, and later prints might not exist.",
  },
  {
    rule: "Best ask displayed at or below p: fills us at p up to the size displayed up to p.",
    unrealistic:
      "A maker posting there would have been a taker or been refused as post-only; the size that would really have hit us is unknown.",
  },
  {
    rule: "Prints by buyers never fill a buy, even below p.",
    unrealistic: "An omission (conservative): the rule before catches most of them.",
  },
  {
    rule: "A taker order takes the displayed levels at their prices, first come first served with client orders by queue place; what it took is gone until the next recorded event shows that side again.",
    unrealistic: "No impact survives that event.",
  },
];

export const COMMON_RULE =
  "A print's quantity is handed out once: two orders of ours never fill on the same lots. Prints that a (re)connect repeats from the past fill nobody.";
