/**
 * Requests about what this exchange does not have: vaults to browse, staking, auctions, lending, outcomes. Empty, but in the
 * shapes that clients validate.
 */
import {
  type Answer,
  type GeneralAnswerer,
  type InfoRequest,
  MALFORMED,
  type UserAnswerer,
} from "./request.js";

const AUCTION = {
  startTimeSeconds: 0,
  durationSeconds: 111_600,
  startGas: "500.0",
  currentGas: null,
  endGas: "500.0",
};

const isText = (request: InfoRequest, key: string): boolean => typeof request[key] === "string";

export const UNMODELLED_GENERAL: readonly (readonly [type: string, answer: GeneralAnswerer])[] = [
  ["liquidatable", () => []],
  ["vaultSummaries", () => []],
  ["validatorSummaries", () => []],
  ["validatorL1Votes", () => []],
  ["gossipRootIps", () => []],
  ["perpDeployAuctionStatus", () => AUCTION],
  ["spotPairDeployAuctionStatus", () => AUCTION],
  ["gossipPriorityAuctionStatus", () => []],
  ["perpCategories", () => []],
  ["perpConciseAnnotations", () => []],
  ["perpAnnotation", (_ctx, r): Answer => (isText(r, "coin") ? null : MALFORMED)],
  ["allBorrowLendReserveStates", () => []],
  ["outcomeMeta", () => ({ outcomes: [], questions: [] })],
];

export const UNMODELLED_OF_USER: readonly (readonly [type: string, answer: UserAnswerer])[] = [
  ["delegations", () => []],
  ["delegatorHistory", () => []],
  ["delegatorRewards", () => []],
  [
    "delegatorSummary",
    () => ({ delegated: "0.0", undelegated: "0.0", totalPendingWithdrawal: "0.0", nPendingWithdrawals: 0 }),
  ],
  ["leadingVaults", () => []],
  ["userToMultiSigSigners", () => null],
  ["legalCheck", () => ({ ipAllowed: true, acceptedTerms: true, userAllowed: true })],
  ["isVip", () => null],
  ["spotDeployState", () => ({ states: [], gasAuction: AUCTION })],
  ["borrowLendUserState", () => ({ tokenToState: [], health: "healthy", healthFactor: null })],
  ["userBorrowLendInterest", () => []],
];
