/**
 * Volatility regime with hysteresis: low, normal, high, extreme.
 *
 * u = sigma / sigma_base against the boundaries (0.5, 1.5, 3.0). Up-moves are immediate; down-moves need `DWELL` consecutive
 * u < 0.9 b and go one step at a time. A jump ratio of 3 or more forces extreme; a sigma that is not a number counts as high.
 *
 * Allocates: nothing. Source: models.md 1.8; regimes after Hamilton (1989).
 */
import { VolRegime } from "./layout";
import { Regime, SCRATCH } from "./memory";

const HYSTERESIS: f64 = 0.9;
const DWELL: i64 = 3;
const JUMP_EXTREME: f64 = 3;

function boundary(index: i64): f64 {
  return index == 1 ? 0.5 : index == 2 ? 1.5 : 3.0;
}

/** Any unit for the two sigmas; `jumpRatio` NaN: unknown. Returns the new state (VolRegime). */
export function regimeUpdate(r: Regime, sigma: f64, sigmaBase: f64, jumpRatio: f64): i32 {
  if (!isFinite(sigma) || !(sigmaBase > 0)) {
    r.state = max(r.state, <i64>VolRegime.High);
    r.belowCount = 0;
    return <i32>r.state;
  }
  const u = sigma / sigmaBase;
  let up: i64 = u >= boundary(3) ? 3 : u >= boundary(2) ? 2 : u >= boundary(1) ? 1 : 0;
  if (jumpRatio >= JUMP_EXTREME) up = <i64>VolRegime.Extreme;
  if (up >= r.state) {
    r.belowCount = 0;
    r.state = up;
  } else if (u < HYSTERESIS * boundary(r.state)) {
    r.belowCount += 1;
    if (r.belowCount >= DWELL) {
      r.state -= 1;
      r.belowCount = 0;
    }
  } else {
    r.belowCount = 0;
  }
  return <i32>r.state;
}

/** Batch entry on scratch: `state` < 0 starts at normal. */
export function regimeBatch(state: i32, sigma: f64, sigmaBase: f64, jumpRatio: f64): i32 {
  const r = changetype<Regime>(SCRATCH);
  if (state < 0) {
    r.state = VolRegime.Normal;
    r.belowCount = 0;
  }
  return regimeUpdate(r, sigma, sigmaBase, jumpRatio);
}
