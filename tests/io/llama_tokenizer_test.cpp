#include "tersor/io/llama_tokenizer.hpp"

#include "common/temporary_folder.hpp"

#include "tersor/io/json.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace {

namespace llama = tersor::llama;
namespace json = tersor::json;
using llama::token_type;

json::value usual_tokenizer() {
    return json::parse(R"({"added_tokens": [{"id": 0, "content": "<s>", "special": true},
          {"id": 1, "content": "</s>", "special": true}, {"id": 5, "content": "<|eot|>", "special": false},
          {"id": 6, "content": " word", "special": false}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "post_processor": null,
        "model": {"type": "BPE", "byte_fallback": false,
          "vocab": {"<s>": 0, "</s>": 1, "a": 2, "\u0120": 3, "\u0120a": 4}, "merges": [["\u0120", "a"]]}})",
                       "tokenizer");
}

llama::tokenizer read(const json::value& from, const json::value& settings = {}, const json::value& config = {},
                      std::uint32_t vocabulary = 9) {
    return llama::read_tokenizer(from, settings, config, vocabulary, "tokenizer.json");
}

tersor::error_code code_of(const json::value& from, std::uint32_t vocabulary = 9) {
    try {
        static_cast<void>(read(from, {}, {}, vocabulary));
    } catch (const tersor::error& e) {
        return e.code();
    }
    ADD_FAILURE() << "no error";
    return tersor::error_code::io;
}

TEST(LlamaTokenizer, TokensStandUnderTheirIds) {
    const llama::tokenizer t = read(usual_tokenizer());
    EXPECT_EQ(t.tokens, (std::vector<std::string>{"<s>", "</s>", "a", "\xC4\xA0",
                                                  "\xC4\xA0"
                                                  "a",
                                                  "<|eot|>", " word", "[PAD7]", "[PAD8]"}));
    using enum token_type;
    EXPECT_EQ(t.types, (std::vector<token_type>{control, control, normal, normal, normal, control, user_defined, unused,
                                                unused}));
    EXPECT_EQ(t.merges, std::vector<std::string>{"\xC4\xA0 a"});
    EXPECT_EQ(t.pre, "gpt-2");
    EXPECT_FALSE(t.bos || t.eos || t.unknown || t.padding || t.adds_bos || t.adds_eos);
}

TEST(LlamaTokenizer, BothSpellingsOfMergesAreRead) {
    json::value from = usual_tokenizer();
    from["model"]["merges"] = json::array{"\xC4\xA0 a", json::array{"a b", " c"}};
    EXPECT_EQ(read(from).merges, (std::vector<std::string>{"\xC4\xA0 a", "a\xC4\xA0"
                                                                         "b \xC4\xA0"
                                                                         "c"}));
    from["model"]["merges"] = json::array{};
    EXPECT_TRUE(read(from).merges.empty());
}

TEST(LlamaTokenizer, SpecialTokensComeFromEitherConfiguration) {
    const json::value config = json::parse(R"({"bos_token_id": 0, "eos_token_id": [1, 5], "pad_token_id": 99})", "c");
    const llama::tokenizer by_id = read(usual_tokenizer(), {}, config);
    EXPECT_EQ(by_id.bos, 0u);
    EXPECT_EQ(by_id.eos, 1u);
    EXPECT_FALSE(by_id.padding); // beyond the vocabulary
    const json::value settings = json::parse(R"({"bos_token": {"content": "</s>"}, "eos_token": "<|eot|>",
        "unk_token": "nothing", "pad_token": "a", "add_bos_token": true, "chat_template": "{{ x }}"})",
                                             "s");
    const llama::tokenizer by_name = read(usual_tokenizer(), settings, config);
    EXPECT_EQ(by_name.bos, 1u);
    EXPECT_EQ(by_name.eos, 5u);
    EXPECT_EQ(by_name.padding, 2u);
    EXPECT_FALSE(by_name.unknown);
    EXPECT_TRUE(by_name.adds_bos);
    EXPECT_FALSE(by_name.adds_eos);
    EXPECT_EQ(by_name.chat_template, "{{ x }}");
}

TEST(LlamaTokenizer, OfSeveralChatTemplatesTheDefaultOneIsTaken) {
    const auto template_of = [](const char* settings) {
        return read(usual_tokenizer(), json::parse(settings, "s")).chat_template;
    };
    EXPECT_EQ(template_of(R"({"chat_template": [{"name": "tool_use", "template": "t"},
                                                {"name": "default", "template": "d"}]})"),
              "d");
    EXPECT_EQ(template_of(R"({"chat_template": [{"name": "tool_use", "template": "t"}, 7]})"), "");
    EXPECT_EQ(template_of(R"({"chat_template": 7})"), "");
}

TEST(LlamaTokenizer, WhatLooksSpecialIsControl) {
    for (const char* const text : {"<mask>", "<2mass>", "[@BOS@]", "<|user|>", "<\xEF\xBD\x9Cuser\xEF\xBD\x9C>"}) {
        json::value from = usual_tokenizer();
        from["added_tokens"] = json::array{json::object{{"id", 5}, {"content", text}, {"special", false}}};
        EXPECT_EQ(read(from).types[5], token_type::control) << text;
    }
}

TEST(LlamaTokenizer, TheTemplateSaysWhetherTextsAreFramed) {
    json::value from = usual_tokenizer();
    from["post_processor"] = json::parse(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"},
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}]})",
                                         "p");
    const json::value config = json::parse(R"({"bos_token_id": 0, "eos_token_id": 1})", "c");
    EXPECT_TRUE(read(from, {}, config).adds_bos);
    EXPECT_FALSE(read(from, {}, config).adds_eos);
    EXPECT_FALSE(read(from, json::object{{"add_bos_token", false}}, config).adds_bos);
}

TEST(LlamaTokenizer, KnownRulesHaveTheirNames) {
    const auto name = [](const char* pre) {
        json::value from = usual_tokenizer();
        from["pre_tokenizer"] = json::parse(pre, "pre");
        return read(from).pre;
    };
    const auto split = [](const std::string& regex, bool ignores_merges = true) {
        json::value pre;
        pre["type"] = "Sequence";
        pre["pretokenizers"] = json::array{
            json::object{{"type", "Split"},
                         {"pattern", json::object{{"Regex", regex}}},
                         {"behavior", "Isolated"},
                         {"invert", false}},
            json::object{
                {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}};
        json::value from = usual_tokenizer();
        from["pre_tokenizer"] = pre;
        from["model"]["ignore_merges"] = ignores_merges;
        return read(from).pre;
    };
    // the regular expressions as the models' own tokenizer.json spell them
    const std::string llama3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
                               "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    EXPECT_EQ(split(llama3), "llama-bpe");
    EXPECT_EQ(split(llama3, false), "smaug-bpe"); // the same rule, words that are tokens merged as others
    EXPECT_EQ(split("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
              "qwen2");
    EXPECT_EQ(split("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
                    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}"
                    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
              "tekken");
    EXPECT_EQ(split("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
                    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
                    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}"
                    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
              "gpt-4o");
    EXPECT_EQ(split("\\w+"), "default");
    EXPECT_EQ(name(R"({"type": "ByteLevel", "add_prefix_space": true, "use_regex": true})"), "default");
    EXPECT_EQ(name(R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]})"),
              "smollm");
    EXPECT_EQ(name(R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": false},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]})"),
              "default");
}

TEST(LlamaTokenizer, OtherKindsAreUnsupported) {
    using tersor::error_code;
    json::value from = usual_tokenizer();
    from["model"]["type"] = "Unigram";
    EXPECT_EQ(code_of(from), error_code::unsupported);
    from = usual_tokenizer();
    from["model"]["byte_fallback"] = true;
    EXPECT_EQ(code_of(from), error_code::unsupported);
    from = usual_tokenizer();
    from["pre_tokenizer"] = nullptr;
    EXPECT_EQ(code_of(from), error_code::unsupported);
    from["pre_tokenizer"] = json::object{{"type", "Metaspace"}};
    EXPECT_EQ(code_of(from), error_code::unsupported);
}

TEST(LlamaTokenizer, ContradictionsAreCorrupt) {
    using tersor::error_code;
    EXPECT_EQ(code_of(usual_tokenizer(), 6), error_code::corrupt_file); // id 6
    EXPECT_EQ(code_of(json::value()), error_code::corrupt_file);
    json::value from = usual_tokenizer();
    from["model"]["vocab"]["b"] = 2;
    EXPECT_EQ(code_of(from), error_code::corrupt_file); // a and b
    for (const json::value& id : {json::value(-1), json::value(1.5), json::value("2"), json::value()}) {
        from = usual_tokenizer();
        from["model"]["vocab"]["b"] = id;
        EXPECT_EQ(code_of(from), error_code::corrupt_file);
    }
    from = usual_tokenizer();
    json::array merges(1, json::array{"a", "b", "c"});
    from["model"]["merges"] = merges;
    EXPECT_EQ(code_of(from), error_code::corrupt_file);
    for (const char* const merge : {"", "ab", " b", "a ", "a b c"}) {
        merges[0] = merge;
        from["model"]["merges"] = merges;
        EXPECT_EQ(code_of(from), error_code::corrupt_file) << merge;
    }
    from["model"]["merges"] = nullptr;
    EXPECT_EQ(code_of(from), error_code::corrupt_file);
}

TEST(LlamaTokenizer, TheTokenizerOfARealModelIsTakenWhole) {
    const std::string path = TERSOR_TESTS_DIR "/../examples/models/demo/tokenizer.json";
    const llama::tokenizer t = read(json::parse(temporary_folder::read(path), path), {}, {}, 80);
    EXPECT_EQ(t.pre, "gpt-2");
    EXPECT_EQ(t.tokens.size(), 80u);
    EXPECT_EQ(t.tokens[0], "<s>");
    EXPECT_EQ(t.tokens[2], "\xC4\x8A");
    EXPECT_EQ(t.types[0], token_type::control);
    EXPECT_EQ(t.types[79], token_type::control);
    EXPECT_EQ(t.types[2], token_type::normal);
    EXPECT_TRUE(t.merges.empty());
    EXPECT_FALSE(t.adds_bos);
}

} // namespace
