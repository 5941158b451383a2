#ifndef TERSOR_CALIBRATORS_CALIBRATOR_HPP
#define TERSOR_CALIBRATORS_CALIBRATOR_HPP

// What all calibrators have in common: they see batches, keep a state per range, and give ranges and parameters.
//
//   tersor::percentile calibrator(99.9);
//   for (const auto& batch : batches) calibrator.observe(batch);
//   const auto p = calibrator.parameters<tersor::zero_point<tersor::uint8>>();
//
// Ranges contain 0, as the quantizers' do. One range serves the whole tensor, or each position along a channel axis has
// its own. Calibrators of parts of the data, made with the same settings, can be merged, saved and loaded.

#include "tersor/calibrators/batch_reader.hpp"
#include "tersor/calibrators/bytes.hpp"
#include "tersor/calibrators/options.hpp"
#include "tersor/core/concepts.hpp"
#include "tersor/core/error.hpp"
#include "tersor/core/options.hpp"
#include "tersor/core/strided.hpp"
#include "tersor/formats/integer.hpp"
#include "tersor/quantizers/zero_point.hpp"

#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersor::inline v0 {

namespace detail {

/// The quantizer whose range is meant where none is named: 8 bits with a zero point.
using usual_quantizer = zero_point<uint8>;

/// Whether a quantizer's grid is the same on both sides of zero, so that only the larger end of a range counts.
template <range_quantizer Q>
[[nodiscard]] bool is_symmetric(const Q& q) {
    if constexpr (scaled_quantizer<Q>) {
        return true;
    } else if constexpr (requires(const typename Q::parameters p) { p == p; }) {
        const auto whole = q.from_range(-1.0f, 1.0f);
        return q.from_range(-1.0f, 0.5f) == whole && q.from_range(-0.5f, 1.0f) == whole;
    } else {
        return false;
    }
}

/// [lo, hi] extended to contain 0.
[[nodiscard]] constexpr clipping_range including_zero(float lo, float hi) noexcept {
    return {lo < 0.0f ? lo : 0.0f, hi > 0.0f ? hi : 0.0f};
}

} // namespace detail

/// The members that calibrators share. `Derived` names itself (`name`, `id`), makes states, puts batches into them and
/// finds the range of one.
template <class Derived, class State>
class calibrator {
public:
    using observed = detail::observed<State>;

    /// Takes the values of any dense Eigen object of float, double, Eigen::half or Eigen::bfloat16 into account;
    /// expressions are evaluated first, empty batches are allowed. Errors: `non_finite` naming the first bad index
    /// (row-major), unless those are skipped; `shape_mismatch` if the number of channels is not that of the batches
    /// before; `invalid_argument` if there is no such axis; `cancelled`. The calibrator is then as it was.
    template <class T>
    void observe(const T& batch) {
        static_assert(eigen_object<T>, "observe takes a dense Eigen object: Matrix, Array, Map, Ref, Block, Transpose, "
                                       "an expression of them, Tensor or TensorMap");
        if constexpr (!detail::has_memory<T>()) {
            const typename T::PlainObject evaluated = batch;
            observe(evaluated);
        } else {
            const auto source = as_strided(batch);
            constexpr int rank = detail::rank_of<T>();
            const int axis = detail::channel_axis_of(options_, rank);
            const index count = axis < 0 ? 1 : source.sizes[static_cast<std::size_t>(axis)];
            if (!states_.empty() && count != channels()) {
                raise(error_code::shape_mismatch, "a batch of " + std::to_string(count) +
                                                      " channels after batches of " + std::to_string(channels()));
            }
            const detail::batch_reader<std::remove_const_t<typename T::Scalar>, rank> reader(source, options_);
            const bool is_first = states_.empty();
            if (is_first) {
                states_.assign(static_cast<std::size_t>(count), observed{self().make_state(axis >= 0)});
            }
            struct undo { // a first batch that fails leaves no channels behind
                std::vector<observed>* states;
                ~undo() {
                    if (states != nullptr) {
                        states->clear();
                    }
                }
            } guard{is_first ? &states_ : nullptr};
            self().take(reader, axis);
            guard.states = nullptr;
        }
    }

    /// Adds what another calibrator has seen. Errors: `invalid_argument` if it was made with other settings,
    /// `shape_mismatch` if it has another number of channels.
    void merge(const Derived& other) {
        self().require_equal_settings(other);
        if (other.options_.channel_axis != options_.channel_axis) {
            raise(error_code::invalid_argument, std::string(Derived::name) + " calibrators with different channel axes "
                                                                             "cannot be merged");
        }
        if (other.options_.skip_non_finite != options_.skip_non_finite) {
            raise(error_code::invalid_argument, std::string(Derived::name) + " calibrators of which one leaves out values "
                                                                             "that are not finite cannot be merged");
        }
        if (other.states_.empty()) {
            return;
        }
        if (states_.empty()) {
            states_ = other.states_;
            return;
        }
        if (other.channels() != channels()) {
            raise(error_code::shape_mismatch, std::string(Derived::name) + " calibrators of " +
                                                  std::to_string(channels()) + " and " +
                                                  std::to_string(other.channels()) + " channels cannot be merged");
        }
        for (std::size_t c = 0; c < states_.size(); ++c) {
            states_[c].state.merge(other.states_[c].state);
            states_[c].skipped += other.states_[c].skipped;
        }
    }

    /// How many ranges there are: 1, or the positions along the channel axis; 0 before the first batch.
    [[nodiscard]] index channels() const noexcept { return static_cast<index>(states_.size()); }
    /// How many values were seen, without those left out.
    [[nodiscard]] std::int64_t count(index channel = 0) const { return at(channel).state.count(); }
    /// How many values were left out because they are not finite.
    [[nodiscard]] std::int64_t skipped(index channel = 0) const { return at(channel).skipped; }
    /// What was seen.
    [[nodiscard]] const State& state(index channel = 0) const { return at(channel).state; }

    /// The range of a channel for a quantizer; it contains 0. Errors: `invalid_argument` if there is no such channel or
    /// no values were seen.
    template <range_quantizer Q = detail::usual_quantizer>
    [[nodiscard]] clipping_range channel_range(index channel, const Q& q = {}) const {
        const State& seen = at(channel).state;
        if (seen.count() == 0) {
            raise(error_code::invalid_argument, std::string(Derived::name) + " calibrator: no values were observed" +
                                                    (options_.channel_axis ? " in channel " + std::to_string(channel)
                                                                           : std::string()));
        }
        return self().find_range(seen, q);
    }

    /// The range of the tensor. Errors: as channel_range; `invalid_argument` with a channel axis.
    template <range_quantizer Q = detail::usual_quantizer>
    [[nodiscard]] clipping_range range(const Q& q = {}) const {
        if (options_.channel_axis) {
            raise(error_code::invalid_argument, std::string(Derived::name) + " calibrator: there are " +
                                                    std::to_string(channels()) +
                                                    " channels: ask for channel_ranges or channel_parameters");
        }
        return channel_range(0, q);
    }

    /// The parameters of the tensor. Errors: as range.
    template <range_quantizer Q>
    [[nodiscard]] typename Q::parameters parameters(const Q& q = {}) const {
        const clipping_range found = range(q);
        return q.from_range(found.lo, found.hi);
    }

    /// The ranges of all channels. Errors: as channel_range; `invalid_argument` before the first batch.
    template <range_quantizer Q = detail::usual_quantizer>
    [[nodiscard]] std::vector<clipping_range> channel_ranges(const Q& q = {}) const {
        static_cast<void>(at(0));
        std::vector<clipping_range> ranges(states_.size());
        options_.execution.for_each(
            channels(), [&](index c) { ranges[static_cast<std::size_t>(c)] = channel_range(c, q); });
        return ranges;
    }

    /// The parameters of all channels.
    template <range_quantizer Q>
    [[nodiscard]] std::vector<typename Q::parameters> channel_parameters(const Q& q = {}) const {
        std::vector<typename Q::parameters> all;
        for (const clipping_range found : channel_ranges(q)) {
            all.push_back(q.from_range(found.lo, found.hi));
        }
        return all;
    }

    /// Settings and state as bytes, the same on every machine.
    [[nodiscard]] std::vector<std::byte> save() const {
        detail::byte_writer out;
        out.put(magic);
        out.put(std::uint32_t{Derived::id});
        out.put(options_.channel_axis.value_or(INT_MIN));
        out.put(static_cast<std::int32_t>(options_.skip_non_finite));
        self().save_settings(out);
        out.put(static_cast<std::uint32_t>(states_.size()));
        for (const observed& channel : states_) {
            out.put_count(channel.skipped);
            channel.state.save(out);
        }
        return out.take();
    }

    /// What `save` wrote. Errors: `corrupt_file` for anything else.
    [[nodiscard]] static Derived load(std::span<const std::byte> bytes) {
        detail::byte_reader in(bytes);
        in.require(in.get<std::uint64_t>() == magic, "first bytes");
        in.require(in.get<std::uint32_t>() == Derived::id, "kind of calibrator");
        calibration_options options;
        if (const auto axis = in.get<std::int32_t>(); axis != INT_MIN) {
            in.require(axis >= -16 && axis < 16, "channel axis");
            options.channel_axis = axis;
        }
        const auto skips = in.get<std::int32_t>();
        in.require(skips == 0 || skips == 1, "setting");
        options.skip_non_finite = skips == 1;
        Derived loaded = Derived::load_settings(in, options);
        const auto count = in.get<std::uint32_t>();
        // A channel takes at least nine bytes.
        in.require(count <= in.left() / 9 && (options.channel_axis || count <= 1), "number of channels");
        for (std::uint32_t c = 0; c < count; ++c) {
            const std::int64_t skipped = in.get_count();
            in.require(skipped == 0 || options.skip_non_finite, "count of values left out");
            loaded.states_.push_back({loaded.load_state(in), skipped});
        }
        in.require(in.left() == 0, "end");
        return loaded;
    }

    [[nodiscard]] const calibration_options& options() const noexcept { return options_; }

protected:
    explicit calibrator(calibration_options options) : options_(std::move(options)) {}

    template <class Scalar, int Rank>
    void take(const detail::batch_reader<Scalar, Rank>& reader, int axis) {
        if (axis < 0) {
            reader.read(states_[0], self().make_state(false));
        } else {
            reader.read_channels(states_, axis);
        }
    }

    calibration_options options_;
    std::vector<observed> states_;

private:
    static constexpr std::uint64_t magic = 0x31726F7372657463u; // "ctersor1"

    [[nodiscard]] Derived& self() noexcept { return static_cast<Derived&>(*this); }
    [[nodiscard]] const Derived& self() const noexcept { return static_cast<const Derived&>(*this); }

    [[nodiscard]] const observed& at(index channel) const {
        if (channel < 0 || channel >= channels()) {
            raise(error_code::invalid_argument, std::string(Derived::name) + " calibrator: channel " +
                                                    std::to_string(channel) + " of " + std::to_string(channels()) +
                                                    (states_.empty() ? ": no batch was observed" : ""));
        }
        return states_[static_cast<std::size_t>(channel)];
    }
};

} // namespace tersor::inline v0

#endif // TERSOR_CALIBRATORS_CALIBRATOR_HPP
