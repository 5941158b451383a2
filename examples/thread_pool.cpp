// Threads are yours: hand over an Eigen::ThreadPool, and the result is the same bits as without one. A progress
// callback comes with it, which can also cancel.

#include <tersor/tersor.hpp>

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <cstdio>

int main() {
    using quantizer = tersor::per_channel<tersor::absmax<tersor::int8>>;
    const Eigen::MatrixXf weights = Eigen::MatrixXf::Random(1024, 4096);
    const auto alone = tersor::quantize<quantizer>(weights);

    Eigen::ThreadPool pool(1); // the calling thread works too
    int steps = 0;
    tersor::quantize_options options;
    options.execution = tersor::execution(pool).with_progress([&steps](double) { return ++steps > 0; });
    const auto together = tersor::quantize<quantizer>(weights, options);
    std::printf("two threads, %d steps: %s\n", steps, alone == together ? "the same bits" : "DIFFERENT BITS");

    options.execution = tersor::execution(pool).with_progress([](double done) { return done < 0.25; });
    try {
        static_cast<void>(tersor::quantize<quantizer>(weights, options));
    } catch (const tersor::error& e) {
        std::printf("%s: %s\n", to_string(e.code()), e.what());
        return alone == together && steps > 1 && e.code() == tersor::error_code::cancelled ? 0 : 1;
    }
    return 1;
}
