#ifndef TERSOR_EXAMPLES_CLI_COMMANDS_HPP
#define TERSOR_EXAMPLES_CLI_COMMANDS_HPP

// The commands of the program, each with what its command line says. They throw usage_error (exit status 2) or
// tersor::error (1).

#include <cstdint>
#include <string>
#include <vector>

namespace cli {

/// `tersor quantize MODEL -o OUT --to SPEC [options]`
struct quantize_arguments {
    std::string model;
    std::string output;
    std::string to;
    std::string layout; ///< empty: what fits the formats
    std::string mode = "best";
    std::string importance; ///< a file; empty: none
    std::string solver = "rtn";
    std::string inputs;                    ///< a file of layer inputs; empty: none
    std::string calibration;               ///< a file of tokens; empty: none
    std::string missing_inputs = "error";  ///< or rtn
    double damp = 0.0;
    bool has_damp = false;
    std::int64_t block = 0;
    bool has_block = false;
    double alpha = -1.0; ///< below 0: searched for, or the paper's
    bool act_order = false;
    bool static_groups = false;
    bool mse = false;
    double target_bits = 0.0; ///< per quantized weight
    bool has_target_bits = false;
    std::string target_size;  ///< of the output, "12MB"; empty: none
    std::string choices;      ///< SPEC,SPEC,...; empty: the usual ones
    std::string plan;         ///< a file to read; empty: none
    std::string plan_out;     ///< a file to write; empty: none
    std::vector<std::string> set;  ///< REGEX=SPEC
    std::vector<std::string> skip; ///< REGEX
    bool all = false;
    bool dry_run = false;
    bool quiet = false;
    bool force = false;
    int threads = 0; ///< 0: one per core
    std::string json;
    std::string html;
};
void quantize(const quantize_arguments& arguments);

/// `tersor dequantize MODEL -o OUT.safetensors [--dtype f32|f16|bf16]`
struct dequantize_arguments {
    std::string model;
    std::string output;
    std::string dtype = "f32";
    bool force = false;
    bool quiet = false;
    int threads = 0;
};
void dequantize(const dequantize_arguments& arguments);

/// `tersor inspect FILE [--json FILE]`
struct inspect_arguments {
    std::string model;
    std::string json;
};
void inspect(const inspect_arguments& arguments);

/// `tersor compare A B [--json FILE]`
struct compare_arguments {
    std::string a;
    std::string b;
    std::string json;
    std::string html;
    bool quiet = false;
    int threads = 0;
};
void compare(const compare_arguments& arguments);

/// `tersor calibrate DATA.safetensors --method M [--json FILE]`
struct calibrate_arguments {
    std::string data;
    std::string method;
    std::string compatibility; ///< a tool to calibrate as; empty: as the library
    double momentum = 0.01;
    double percentile = 99.9;
    std::int64_t bins = 0; ///< 0: as the library
    int bits = 8;
    bool is_signed = true;
    bool is_symmetric = true;
    bool skip_non_finite = false;
    bool quiet = false;
    int threads = 0;
    std::string json;
};
void calibrate(const calibrate_arguments& arguments);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_COMMANDS_HPP
