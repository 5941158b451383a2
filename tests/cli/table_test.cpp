#include "examples/cli/table.hpp"

#include <gtest/gtest.h>

TEST(ProgramTable, ColumnsStandBelowEachOtherWhateverTheBytesOfAName) {
    cli::table table({"name", ">bits"});
    table.add({"na\u00efve", "4.5"});
    table.add({"plain", "16"});
    EXPECT_EQ(table.text(), "name   bits\n-----  ----\nna\u00efve   4.5\nplain    16\n");
}
