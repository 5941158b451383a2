// Can the confidence of a quantized classifier be believed? Here a classifier that is too sure of itself is quantized
// to 3 bits; one number, the temperature, found on samples it has not seen, makes its confidence honest again. No
// answer changes. The reliability diagram is printed, and drawn to reliability.svg.

#include <tersor/calibrators/probability.hpp>
#include <tersor/tersor.hpp>

#include <cstdio>
#include <random>

namespace {

constexpr int classes = 4, inputs = 48;

struct samples {
    Eigen::MatrixXf x; // [samples x inputs]
    Eigen::VectorXi labels;
};

// Noisy classes: even the best classifier is often wrong.
samples draw(int count, const Eigen::MatrixXf& truth, std::mt19937& random) {
    std::normal_distribution<float> normal;
    samples s{Eigen::MatrixXf::NullaryExpr(count, inputs, [&] { return normal(random); }), Eigen::VectorXi(count)};
    const Eigen::MatrixXf scores = s.x * truth.transpose();
    for (int i = 0; i < count; ++i) {
        (scores.row(i) +
         6.0f * Eigen::RowVectorXf::NullaryExpr(classes, [&] {
             return normal(random);
         })).maxCoeff(&s.labels[i]);
    }
    return s;
}

// Softmax regression by gradient descent, on so few samples that it becomes overconfident.
Eigen::MatrixXf train(const samples& s) {
    Eigen::MatrixXf w = Eigen::MatrixXf::Zero(classes, inputs);
    const tersor::temperature_scaling softmax;
    for (int step = 0; step < 150; ++step) {
        Eigen::MatrixXf gradient = softmax.predict(s.x * w.transpose()).cast<float>();
        for (int i = 0; i < gradient.rows(); ++i) {
            gradient(i, s.labels[i]) -= 1.0f;
        }
        w -= 2.0f / static_cast<float>(s.x.rows()) * gradient.transpose() * s.x;
    }
    return w;
}

struct judgement {
    double accuracy, ece;
    tersor::calibration_bins bins;
};

judgement judge(const char* name, const Eigen::MatrixXd& probabilities, const Eigen::VectorXi& labels) {
    const auto answers = tersor::answers_of(probabilities, labels);
    judgement j{answers.correct.mean(), 0.0, tersor::calibration_curve(answers.confidence, answers.correct)};
    j.ece = tersor::expected_calibration_error(j.bins);
    std::printf("%-18s %.1f %% right, %.1f %% sure, calibration error %.3f\n", name, 100.0 * j.accuracy,
                100.0 * answers.confidence.mean(), j.ece);
    return j;
}

// For each bin of confidence the fraction that was right; honest bars end at the diagonal.
void draw_diagram(std::FILE* svg, double left, const char* title, const judgement& j) {
    std::fprintf(svg, "<g transform='translate(%g,30)'><text x='100' y='-10' text-anchor='middle'>%s, ECE %.3f</text>",
                 left, title, j.ece);
    for (const tersor::calibration_bin& bin : j.bins) {
        std::fprintf(svg, "<rect x='%g' y='%g' width='%g' height='%g' fill='steelblue' stroke='white'/>",
                     200.0 * bin.lower, 200.0 - 200.0 * bin.fraction, 200.0 * (bin.upper - bin.lower),
                     200.0 * bin.fraction);
    }
    std::fprintf(svg, "<path d='M0,200 L200,0' stroke='crimson'/><rect width='200' height='200' fill='none' stroke='"
                      "black'/><text x='100' y='220' text-anchor='middle'>confidence</text></g>\n");
}

} // namespace

int main() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const Eigen::MatrixXf truth = Eigen::MatrixXf::NullaryExpr(classes, inputs, [&] { return normal(random); });
    const samples training = draw(250, truth, random), held_out = draw(500, truth, random),
                  unseen = draw(2000, truth, random);

    const Eigen::MatrixXf weights = train(training);
    const auto q = tersor::quantize<tersor::per_channel<tersor::absmax<tersor::int3>>>(weights);
    const auto logits = [&](const samples& s) { return Eigen::MatrixXf((q * s.x.transpose()).transpose()); };

    const tersor::temperature_scaling plain;
    const auto fitted = tersor::temperature_scaling::fit(logits(held_out), held_out.labels);
    judge("32 bits", plain.predict(unseen.x * weights.transpose()), unseen.labels);
    const judgement before = judge("3 bits", plain.predict(logits(unseen)), unseen.labels);
    const judgement after = judge("3 bits, calibrated", fitted.predict(logits(unseen)), unseen.labels);

    std::printf("temperature %.2f\n\nconfidence   right before        right after\n", fitted.temperature);
    for (std::size_t i = 0; i < before.bins.size(); ++i) {
        const auto &b = before.bins[i], &a = after.bins[i];
        std::printf("%.1f - %.1f    %3.0f %% of %4td       %3.0f %% of %4td\n", b.lower, b.upper, 100.0 * b.fraction,
                    b.count, 100.0 * a.fraction, a.count);
    }
    std::FILE* const svg = std::fopen("reliability.svg", "w");
    if (svg == nullptr) {
        return 1;
    }
    std::fprintf(svg, "<svg xmlns='http://www.w3.org/2000/svg' width='480' height='270' font-size='13'>\n");
    draw_diagram(svg, 20.0, "3 bits", before);
    draw_diagram(svg, 250.0, "calibrated", after);
    std::fprintf(svg, "</svg>\n");
    const bool is_written = std::fclose(svg) == 0;
    return is_written && after.accuracy == before.accuracy && after.ece < 0.5 * before.ece ? 0 : 1;
}
