/**
 * Exports of the kernel module; no logic here.
 *
 * The engine uses the first block only. The rest are batch entry points of single models (for vectors, reports and the API):
 * they work on `scratch()` and never touch an asset.
 */

export { estimates } from "./estimates";
export {
  asymptoticQuote,
  avellanedaStoikov,
  cascadeAction,
  cascadeGammaMult,
  cascadeSizeMult,
  equivalentHorizon,
  gammaEffective,
  gammaInventoryMult,
  gammaToxicityMult,
  gammaVolMult,
  inventorySlope,
  operationalQuote,
  staticHalfSpread,
} from "./glft";
export {
  branchingRadius,
  cascadeExcite,
  cascadeSeverity,
  hawkesBatch,
  hawkesIntensity,
  hawkesMean,
  hawkesReset,
} from "./hawkes";
export { depthImbalance, flowBatch, flowReset, flowSide } from "./imbalance";
export {
  arrivalRate,
  kappaConvert,
  kappaMle,
  kappaMleTruncated,
  kappaPosterior,
  kappaSmooth,
} from "./kappa";
export {
  depthsBatch,
  gridRound,
  gridStep,
  rawPx,
  relativeIntensity,
  sideBatch,
  spreadCapture,
  weightsBatch,
} from "./ladder";
export { lz4Block } from "./lz4";
export { resetAsset, step } from "./market";
export {
  assetSlots,
  inbox,
  outEstimates,
  outLadder,
  scratch,
  scratchBytes,
  slotAddress,
  slotBytes,
  slotUsedBytes,
} from "./memory";
export { microprice, micropriceAdjustment, topOfBook } from "./microprice";
export { layoutHash, quote } from "./quote";
export { regimeBatch } from "./regime";
export { tapeRun, tapeRunBytes } from "./tape-run";
export { tapeTimes, tapeTimesBytes } from "./tape-times";
export {
  blendEffective,
  blendTotal,
  realisedVariation,
  sigmaOver,
  varianceRateUpdate,
  variationReset,
  variationUpdate,
  variationValue,
} from "./volatility";
export { volumeClockBuckets, volumeClockPending, volumeClockReset, volumeClockTrade } from "./volume-clock";
