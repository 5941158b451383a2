#ifndef TERSOR_SOLVERS_HESSIAN_HPP
#define TERSOR_SOLVERS_HESSIAN_HPP

// The Hessian of a layer's squared output error with respect to a row of its weights, from calibration inputs X:
//
//   H = (2 / samples) X^T X                X [tokens x columns]
//
// as in Frantar et al., GPTQ (2022), whose program counts sequences as samples where this one, by default, counts
// tokens; solvers do not see the difference, since their damping is relative to the diagonal.
//
// Tokens are summed in chunks of 1024 at fixed positions of the sequence. A chunk is one chain of fused multiply-adds per
// element, in float or double; chunks are summed in pairs of doubles, which is without error unless chunk sums of one
// element differ in magnitude by more than a factor of 2^80 (2^50 in double). So the result does not depend on the
// instruction set, on threads, on how the tokens were cut into calls, or on how parts were merged. With u = 2^-24 an
// element of H is within about 1026 u (2 / samples) sum_t |x_ti x_tj| of the exact one.
//
// Memory: 8 columns (columns + 1) bytes once 1024 tokens were seen; at most 1024 tokens as they are, twice that for a part
// that begins inside a chunk; and about 3 MiB for each thread that works.

#include "tersor/core/error.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/quantizers/rows.hpp"
#include "tersor/solvers/hessian_bytes.hpp"
#include "tersor/solvers/hessian_sum.hpp"

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace tersor::inline v0 {

/// In which precision the tokens of a chunk are summed.
enum class hessian_precision { fp32, fp64 };

/// Options of a `hessian`.
struct hessian_options {
    hessian_precision precision = hessian_precision::fp32;
    /// Position in the whole sequence of the first token, for a part that is merged later.
    index first_token = 0;
    /// Threads, progress, cancellation.
    tersor::execution execution{};
};

/// H = (2 / samples) sum over tokens of x x^T; see the head of this file.
class hessian {
public:
    /// Of no tokens yet. Errors: `invalid_argument` if there are no columns or the first token is negative.
    explicit hessian(index columns, hessian_options options = {}) : options_(std::move(options)) {
        if (columns < 1 || columns > detail::most_hessian_columns || options_.first_token < 0 ||
            options_.first_token > detail::most_hessian_tokens) {
            raise(error_code::invalid_argument,
                  "hessian: " + std::to_string(columns) + " columns from token " + std::to_string(options_.first_token) +
                      " on: expected 1 to " + std::to_string(detail::most_hessian_columns) +
                      " columns and a token that is not negative");
        }
        single_ = {columns, options_.first_token};
        twice_ = {columns, options_.first_token};
    }

    /// Adds the tokens of a batch [..., columns] of float, double, Eigen::half or Eigen::bfloat16: a vector is one token,
    /// leading dimensions of a tensor are counted in row-major order. Each token is a sample.
    /// Errors, with nothing added: `shape_mismatch`; `non_finite` for NaN, infinity, or a magnitude whose square would
    /// overflow the sums (above 2^58, with fp64 above 2^450), naming token and channel. `cancelled`: the tokens of whole
    /// chunks so far were added, and samples with them.
    template <class Batch>
    requires eigen_object<Batch>
    void accumulate(const Batch& x) { accumulate_counted(x, -1); }

    /// The same where the batch counts as `samples`, such as its sequences. Errors also: `invalid_argument` if negative;
    /// after `cancelled` no sample was added.
    template <class Batch>
    requires eigen_object<Batch>
    void accumulate(const Batch& x, index samples) {
        if (samples < 0) {
            raise(error_code::invalid_argument, "hessian: a batch of " + std::to_string(samples) + " samples");
        }
        accumulate_counted(x, samples);
    }

    /// Adds the part that begins where this one ends: bit-equal to one pass over both.
    /// Errors: `shape_mismatch` for another number of columns; `invalid_argument` for another precision, or a part that
    /// does not begin at the token after the last.
    void merge(const hessian& next) {
        if (next.columns() != columns()) {
            raise(error_code::shape_mismatch, "hessian::merge: " + std::to_string(next.columns()) +
                                                  " columns do not fit " + std::to_string(columns()));
        }
        const index end = options_.first_token + tokens();
        if (next.options_.precision != options_.precision || next.options_.first_token != end) {
            raise(error_code::invalid_argument,
                  std::string("hessian::merge: a part in ") + name(next.options_.precision) + " that begins at token " +
                      std::to_string(next.options_.first_token) + " does not continue one in " +
                      name(options_.precision) + " that ends before token " + std::to_string(end));
        }
        detail::check_hessian_tokens(end, next.tokens());
        if (is_single()) {
            single_.append(next.single_, options_.execution);
        } else {
            twice_.append(next.twice_, options_.execution);
        }
        samples_ += next.samples_;
    }

    /// A Hessian that is known already [columns x columns], of `samples` samples and no tokens: `matrix()` gives the mean
    /// of h and its transpose. In fp64 for a matrix of doubles, else in fp32.
    /// Errors: `shape_mismatch` if it is not square; `invalid_argument` if samples < 1, if a diagonal value is negative,
    /// or if h_ij and h_ji differ by more than 2^-10 sqrt(h_ii h_jj); `non_finite`, naming the place.
    template <class Symmetric>
    requires(detail::eigen_dense<Symmetric>)
    [[nodiscard]] static hessian from_matrix(const Symmetric& h, index samples = 1);

    [[nodiscard]] index columns() const noexcept { return single_.columns(); }
    /// How many tokens were added.
    [[nodiscard]] index tokens() const noexcept { return is_single() ? single_.tokens() : twice_.tokens(); }
    /// How many samples H is the mean of.
    [[nodiscard]] index samples() const noexcept { return samples_; }
    /// Position in the whole sequence of the first token.
    [[nodiscard]] index first_token() const noexcept { return options_.first_token; }
    [[nodiscard]] hessian_precision precision() const noexcept { return options_.precision; }

    /// H [columns x columns], symmetric, each element rounded to double and then to Scalar.
    /// Errors: `invalid_argument` if there is no sample; `non_finite` if a value does not fit Scalar; `cancelled`.
    template <class Scalar = float>
    [[nodiscard]] Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> matrix() const;

    /// All of it but the execution, as bytes that do not depend on the machine.
    [[nodiscard]] std::vector<std::byte> save() const {
        return is_single() ? detail::write_hessian(single_, samples_) : detail::write_hessian(twice_, samples_);
    }
    /// What `save` wrote. Errors: `corrupt_file` for bytes that contradict themselves, `unsupported` for those of a later
    /// version.
    [[nodiscard]] static hessian load(std::span<const std::byte> bytes, tersor::execution execution = {}) {
        const detail::hessian_header header = detail::read_hessian_header(bytes);
        hessian result(header.columns, {header.is_single ? hessian_precision::fp32 : hessian_precision::fp64,
                                        header.first_token, std::move(execution)});
        if (header.is_single) {
            result.single_ = detail::read_hessian<float>(header, bytes);
        } else {
            result.twice_ = detail::read_hessian<double>(header, bytes);
        }
        result.samples_ = header.samples;
        return result;
    }

private:
    static const char* name(hessian_precision precision) { return precision == hessian_precision::fp32 ? "fp32" : "fp64"; }
    [[nodiscard]] bool is_single() const noexcept { return options_.precision == hessian_precision::fp32; }

    template <class Batch>
    void accumulate_counted(const Batch& x, index samples) {
        if constexpr (!detail::has_memory<Batch>()) {
            const typename Batch::PlainObject evaluated = x;
            accumulate_counted(evaluated, samples);
        } else if (is_single()) {
            add_tokens(single_, x, samples);
        } else {
            add_tokens(twice_, x, samples);
        }
    }

    template <class Scalar, class Batch>
    void add_tokens(detail::hessian_sum<Scalar>& sum, const Batch& x, index samples);

    hessian_options options_;
    index samples_ = 0;
    // One of the two is in use.
    detail::hessian_sum<float> single_;
    detail::hessian_sum<double> twice_;
};

namespace detail {

/// Copies tokens (rows of a view) to contiguous floats or doubles.
template <class From, int Rank, class Scalar>
void load_tokens(const row_view<From, Rank>& view, index token, index tokens, Scalar* out) {
    const index columns = view.length();
    if constexpr (std::is_same_v<Scalar, double> && is_half<From>) {
        std::vector<float> narrow(static_cast<std::size_t>(tokens * columns));
        load_panel(view, token, tokens, 0, columns, narrow.data());
        std::copy(narrow.begin(), narrow.end(), out);
    } else {
        load_panel(view, token, tokens, 0, columns, out);
    }
}

/// Errors: `non_finite` for the first value that is not finite or too large for the sums.
template <class Scalar, class From, int Rank>
void check_tokens(const row_view<From, Rank>& view, index rows, const execution& exec) {
    const index together = std::max<index>(1, 32768 / view.length());
    exec.for_each((rows + together - 1) / together, [&](index turn) {
        const index first = turn * together, count = std::min(together, rows - first);
        if constexpr (std::is_same_v<const Scalar, From>) {
            // Rows that can be read in place are copied only to name what is wrong.
            index good = 0;
            while (view.is_contiguous() && good < count &&
                   find_too_large(view.address(first + good, 0), view.length()) < 0) {
                ++good;
            }
            if (good == count) {
                return;
            }
        }
        thread_local std::vector<Scalar> values;
        values.resize(static_cast<std::size_t>(count * view.length()));
        load_tokens(view, first, count, values.data());
        const index bad = find_too_large(values.data(), count * view.length());
        if (bad < 0) {
            return;
        }
        const index row = first + bad / view.length(), channel = bad % view.length();
        const Scalar value = values[static_cast<std::size_t>(bad)];
        const std::string where = " at " + view.position(row, channel) + ": token " + std::to_string(row) +
                                  " of the batch, channel " + std::to_string(channel);
        if (std::isfinite(value)) {
            raise(error_code::non_finite, "hessian: the activation " + std::to_string(value) + where +
                                              " is too large: sums in this precision take magnitudes up to 2^" +
                                              std::to_string(std::ilogb(largest_activation<Scalar>)));
        }
        raise(error_code::non_finite, "hessian: an activation that is not finite" + where);
    });
}

} // namespace detail

template <class Scalar, class Batch>
void hessian::add_tokens(detail::hessian_sum<Scalar>& sum, const Batch& x, index samples) {
    constexpr int rank = detail::rank_of<Batch>();
    const auto values = as_strided(x);
    if (values.sizes.back() != columns()) {
        raise(error_code::shape_mismatch, "hessian: a batch with " + std::to_string(values.sizes.back()) +
                                              " channels does not fit " + std::to_string(columns()) + " columns");
    }
    const row_view<const typename Batch::Scalar, rank> view({values.data, values.sizes, values.strides}, rank - 1);
    const index rows = values.size() / columns();
    detail::check_hessian_tokens(options_.first_token + tokens(), rows);
    detail::check_tokens<Scalar>(view, rows, options_.execution.with_progress({}));
    sum.append(rows, options_.execution, [&](index token, index tokens, Scalar* out) {
        detail::load_tokens(view, token, tokens, out);
        samples_ += samples < 0 ? tokens : 0;
    });
    samples_ += samples < 0 ? 0 : samples;
}

template <class Symmetric>
requires(detail::eigen_dense<Symmetric>) hessian hessian::from_matrix(const Symmetric& h, index samples) {
    using Scalar = typename Symmetric::Scalar;
    if constexpr (!detail::has_memory<Symmetric>()) {
        const typename Symmetric::PlainObject evaluated = h;
        return from_matrix(evaluated, samples);
    } else {
        if (h.rows() != h.cols()) {
            raise(error_code::shape_mismatch, "hessian::from_matrix: the matrix [" + std::to_string(h.rows()) + " x " +
                                                  std::to_string(h.cols()) + "] is not square");
        }
        if (samples < 1) {
            raise(error_code::invalid_argument, "hessian::from_matrix: " + std::to_string(samples) + " samples");
        }
        hessian result(h.rows(), {std::is_same_v<Scalar, double> ? hessian_precision::fp64 : hessian_precision::fp32});
        result.samples_ = samples;
        detail::set_total(result.is_single() ? result.single_.total() : result.twice_.total(), h, samples);
        return result;
    }
}

template <class Scalar>
Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> hessian::matrix() const {
    static_assert(std::is_floating_point_v<Scalar>, "hessian::matrix gives floats or doubles");
    if (samples_ < 1) {
        raise(error_code::invalid_argument,
              "hessian::matrix: no samples in " + std::to_string(tokens()) + " tokens: accumulate some first");
    }
    Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> result(columns(), columns());
    const auto write = [&](index i, index j, double high, double low) {
        const Scalar value = static_cast<Scalar>(detail::mean_of_pair(high, low, samples_));
        if (!std::isfinite(value)) {
            raise(error_code::non_finite, "hessian::matrix: the value at (" + std::to_string(i) + ", " +
                                              std::to_string(j) + ") does not fit the type asked for");
        }
        result(i, j) = value;
        result(j, i) = value;
    };
    if (is_single()) {
        single_.for_each_sum(options_.execution, write);
    } else {
        twice_.for_each_sum(options_.execution, write);
    }
    return result;
}

} // namespace tersor::inline v0

#endif // TERSOR_SOLVERS_HESSIAN_HPP
