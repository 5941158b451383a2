#ifndef TERSOR_CALIBRATORS_PROBABILITY_HPP
#define TERSOR_CALIBRATORS_PROBABILITY_HPP

// Calibration of probabilities: from the scores of a classifier to probabilities that can be believed, and how far
// they can be. Quantizing a classifier moves its confidence before it moves its answers.
//
//   platt_scaling         two numbers: scores of two classes
//   isotonic_regression   any non-decreasing function: scores of two classes, many samples
//   temperature_scaling   one number: logits of any number of classes; no answer changes
//   calibration_curve     reliability diagram, expected and maximum calibration error, Brier score, log loss

#include "tersor/calibrators/isotonic.hpp"
#include "tersor/calibrators/platt.hpp"
#include "tersor/calibrators/reliability.hpp"
#include "tersor/calibrators/temperature.hpp"

#endif // TERSOR_CALIBRATORS_PROBABILITY_HPP
