import { describe, expect, test } from "vitest";
import { errorLine } from "../../src/cli/report-error.js";
import { orderErrorCode, VenueError } from "../../src/venues/hyperliquid/errors.js";
import { errorStatus } from "../../src/venues/hyperliquid/replies.js";
import { explainOrderError, ORDER_ERROR_HELP } from "../../src/venues/order-errors.js";
import type { OrderErrorCode } from "../../src/venues/port.js";

/** Reference §4.11, texts as the venue writes them. */
const TEXTS: readonly (readonly [string, OrderErrorCode])[] = [
  ["Price must be divisible by tick size.", "Tick"],
  ["Order must have minimum value of $10.", "MinTradeNtl"],
  ["Order must have minimum value of 10 USDC.", "MinTradeNtl"],
  ["Insufficient margin to place order.", "InsufficientMargin"],
  ["Reduce only order would increase position.", "ReduceOnly"],
  ["Post only order would have immediately matched, bbo was 1@2.", "BadAloPx"],
  ["Order could not immediately match against any resting orders.", "IocCancel"],
  ["Invalid TP/SL price.", "BadTriggerPx"],
  ["No liquidity available for market order.", "IocCancel"],
  ["Order would increase open interest while open interest is capped", "OpenInterestCap"],
  ["Order rejected due to price more aggressive than oracle while at open interest cap", "OpenInterestCap"],
  ["Order would increase open interest too quickly", "OpenInterestIncrease"],
  ["Order has insufficient spot balance to trade", "InsufficientMargin"],
  ["Order price too far from oracle", "Oracle"],
  ["Price too far from oracle", "Oracle"],
  ["Order would cause position to exceed margin tier limit at current leverage", "PerpMaxPosition"],
  ["Order was never placed, already canceled, or filled.", "MissingOrder"],
  ["Cannot modify canceled or filled order", "MissingOrder"],
  ["Orders are empty.", "Other"],
  ["", "Other"],
  ["Order has zero size.", "InvalidSize"],
  ["Order has invalid size.", "InvalidSize"],
  ["Order has invalid price.", "InvalidPrice"],
  ["Order price cannot be more than 80% away from the reference price", "Oracle"],
  ["Order price cannot be more than 95% away from the reference price", "Oracle"],
  ["Only post-only orders allowed immediately after network upgrade", "PostOnlyPeriod"],
  ["Reduce-only is invalid for spot trading.", "ReduceOnly"],
  ["Order value too large", "OrderValueTooLarge"],
  ["User or API Wallet 0x12ab does not exist.", "NotAuthorised"],
  ["L1 error: User or API Wallet 0x12ab does not exist.", "NotAuthorised"],
  ["Must deposit before performing actions. User: 0x12ab", "NotAuthorised"],
  ["Unable to recover signer.", "NotAuthorised"],
  ["Vault not registered: 0x12ab", "NotAuthorised"],
  ["Invalid nonce: duplicate nonce 5", "Nonce"],
  ["Invalid nonce: nonce too low 5 < 6", "Nonce"],
  ["Action already expired", "Expired"],
  [
    "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46. Place taker orders to free up 1 request per USDC traded.",
    "RateLimited",
  ],
  ["Signed action over weight limit of 200.", "BatchTooLarge"],
  ["Error placing new order during modify: Insufficient margin to place order.", "InsufficientMargin"],
];

test("the command line adds cause and remedy to what the venue refused", () => {
  expect(errorLine(new VenueError("Refused", "leverage: Insufficient margin to place order."))).toBe(
    "leverage: Insufficient margin to place order. (InsufficientMargin: not enough free collateral; add margin, reduce target_liquidity, or raise the leverage)",
  );
  expect(errorLine(new VenueError("Refused", "Must deposit before performing actions. User: 0x1"))).toMatch(
    /NotAuthorised: the key may not trade for this account/,
  );
  expect(errorLine(new VenueError("Refused", "transfer: something new"))).toBe("transfer: something new");
  expect(errorLine(new Error("first\nsecond"))).toBe("first");
});

describe("order errors", () => {
  test.each(TEXTS)("%s", (text, code) => {
    expect(orderErrorCode(text)).toBe(code);
    expect(orderErrorCode(`${text} asset=4`)).toBe(code);
  });

  test("an unknown text is kept word for word", () => {
    const text = "Order displeased the validators on Tuesday. asset=4";
    expect(errorStatus(text, "order")).toEqual({ kind: "error", code: "Other", text });
  });

  test("every code has a meaning and a remedy; the manual's causes carry the manual's advice", () => {
    for (const [code, { meaning, remedy }] of Object.entries(ORDER_ERROR_HELP)) {
      expect(meaning, code).not.toBe("");
      expect(remedy, code).not.toBe("");
    }
    expect(explainOrderError("InsufficientMargin")).toMatch(/add margin, reduce target_liquidity/);
    expect(explainOrderError("OrderWouldBeLiquidated")).toMatch(/reduce leverage/);
    expect(explainOrderError("RateLimited")).toMatch(/reduce quoting frequency/);
    expect(explainOrderError("InvalidPrice")).toMatch(/decimals/);
    expect(explainOrderError("AssetNotFound")).toMatch(/spelling.*--dex/);
    expect(explainOrderError("DexNotFound")).toMatch(/--list-dexs/);
  });
});
