#include "tersor/core/execution.hpp"

#include <unsupported/Eigen/CXX11/ThreadPool>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace tersor;

namespace {

using tersor::index;

// What every kind of execution must do; each body runs on none, one and three helpers, with and without progress.
template <class Body>
void for_each_execution(const Body& body) {
    for (const int threads : {0, 1, 3}) {
        Eigen::ThreadPool pool(threads == 0 ? 1 : threads);
        for (const bool with_progress : {false, true}) {
            SCOPED_TRACE(std::to_string(threads) + " helpers, " + (with_progress ? "progress" : "silent"));
            execution exec = threads == 0 ? execution() : execution(pool);
            body(with_progress ? exec.with_progress([](double) { return true; }) : exec);
        }
    }
}

TEST(Execution, CallsEveryIndexOnce) {
    for_each_execution([](const execution& exec) {
        for (const index count : {0, 1, 2, 3, 1000}) {
            std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
            exec.for_each(count, [&](index i) { ++calls[static_cast<std::size_t>(i)]; });
            for (const auto& c : calls) {
                EXPECT_EQ(c, 1);
            }
        }
    });
}

TEST(Execution, WritesOfTheWorkAreSeenByTheCaller) {
    for_each_execution([](const execution& exec) {
        std::vector<index> squares(5000);
        exec.for_each(5000, [&](index i) { squares[static_cast<std::size_t>(i)] = i * i; });
        for (index i = 0; i < 5000; ++i) {
            ASSERT_EQ(squares[static_cast<std::size_t>(i)], i * i);
        }
    });
}

TEST(Execution, ThrowsWhatTheSmallestFailingIndexThrew) {
    for_each_execution([](const execution& exec) {
        for (int repeat = 0; repeat < 20; ++repeat) {
            try {
                exec.for_each(500, [](index i) {
                    if (i >= 37) {
                        throw std::out_of_range(std::to_string(i));
                    }
                });
                FAIL();
            } catch (const std::out_of_range& e) {
                EXPECT_STREQ(e.what(), "37");
            }
        }
    });
}

TEST(Execution, StopsSoonAfterAFailure) {
    for_each_execution([](const execution& exec) {
        std::atomic<int> calls{0};
        EXPECT_THROW(exec.for_each(1'000'000,
                                   [&](index i) {
                                       ++calls;
                                       if (i == 10) {
                                           throw 1;
                                       }
                                   }),
                     int);
        EXPECT_LT(calls, 1'000'000);
    });
}

TEST(Execution, ProgressRisesToOneAndIsToldByOneThreadAtATime) {
    Eigen::ThreadPool pool(3);
    for (const execution& exec : {execution(), execution(pool)}) {
        std::vector<double> seen;
        std::atomic<int> inside{0};
        exec.with_progress([&](double done) {
                EXPECT_EQ(++inside, 1);
                seen.push_back(done);
                --inside;
                return true;
            })
            .for_each(200, [](index) {});
        ASSERT_EQ(seen.size(), 200u);
        for (std::size_t i = 0; i < seen.size(); ++i) {
            EXPECT_EQ(seen[i], static_cast<double>(i + 1) / 200.0);
        }
    }
}

TEST(Execution, PartsShareOneProgress) {
    std::vector<double> seen;
    const execution whole = execution().with_progress([&](double done) {
        seen.push_back(done);
        return true;
    });
    whole.part(0.0, 0.25).for_each(2, [](index) {});
    whole.part(0.25, 1.0).for_each(3, [](index) {});
    EXPECT_EQ(seen, (std::vector<double>{0.125, 0.25, 0.5, 0.75, 1.0}));
    int calls = 0;
    execution().part(0.0, 0.5).for_each(3, [&](index) { ++calls; });
    EXPECT_EQ(calls, 3);
}

TEST(Execution, IsCancelledByTheProgressCallback) {
    Eigen::ThreadPool pool(2);
    for (const execution& exec : {execution(), execution(pool)}) {
        int told = 0;
        std::atomic<int> calls{0};
        try {
            exec.with_progress([&](double) { return ++told < 5; }).for_each(100'000, [&](index) { ++calls; });
            FAIL();
        } catch (const error& e) {
            EXPECT_EQ(e.code(), error_code::cancelled);
            EXPECT_NE(std::string(e.what()).find(" of 100000 steps"), std::string::npos) << e.what();
        }
        EXPECT_EQ(told, 5);
        EXPECT_LT(calls, 100'000);
    }
}

TEST(Execution, ProgressCallbackMayThrow) {
    Eigen::ThreadPool pool(2);
    for (const execution& exec : {execution(), execution(pool)}) {
        std::atomic<int> running{0};
        const auto work = [&](index) {
            ++running;
            std::this_thread::yield();
            --running;
        };
        const auto failing = exec.with_progress([](double done) -> bool {
            if (done > 0.1) {
                throw std::runtime_error("no more");
            }
            return true;
        });
        EXPECT_THROW(failing.for_each(1000, work), std::runtime_error);
        // No helper may still use the work of a call that has ended.
        EXPECT_EQ(running, 0);
    }
}

// A pool that runs nothing until it is told to, or refuses.
struct stubborn_pool {
    std::vector<std::function<void()>> waiting;
    std::size_t refuses_from = 1000;
    void Schedule(std::function<void()> work) {
        if (waiting.size() >= refuses_from) {
            throw std::bad_alloc();
        }
        waiting.push_back(std::move(work));
    }
    int NumThreads() const { return 4; }
};

TEST(Execution, DoesNotWaitForABusyPool) {
    stubborn_pool pool;
    {
        int calls = 0;
        const execution exec(pool);
        exec.for_each(10, [&](index) { ++calls; });
        EXPECT_EQ(calls, 10);
    }
    // Helpers that come late find nothing to do, and touch nothing that is gone.
    ASSERT_EQ(pool.waiting.size(), 4u);
    for (const auto& late : pool.waiting) {
        late();
    }
}

TEST(Execution, PassesOnWhatSchedulingThrows) {
    stubborn_pool pool;
    pool.refuses_from = 2;
    EXPECT_THROW(execution(pool).for_each(10, [](index) {}), std::bad_alloc);
    for (const auto& late : pool.waiting) {
        late();
    }
}

TEST(Execution, AsksForNoMoreHelpersThanThereIsWork) {
    stubborn_pool pool;
    execution(pool).for_each(1, [](index) {});
    EXPECT_EQ(pool.waiting.size(), 0u);
    execution(pool).for_each(3, [](index) {});
    EXPECT_EQ(pool.waiting.size(), 2u);
}

TEST(Execution, MayBeNestedOnOnePool) {
    Eigen::ThreadPool pool(2);
    const execution exec(pool);
    std::atomic<int> calls{0};
    exec.for_each(20, [&](index) { exec.for_each(20, [&](index) { ++calls; }); });
    EXPECT_EQ(calls, 400);
}

TEST(Execution, ServesSeveralThreadsAtOnce) {
    Eigen::ThreadPool pool(2);
    const execution exec(pool);
    std::atomic<int> calls{0};
    std::vector<std::thread> users;
    for (int i = 0; i < 3; ++i) {
        users.emplace_back([&] {
            for (int repeat = 0; repeat < 50; ++repeat) {
                exec.for_each(20, [&](index) { ++calls; });
            }
        });
    }
    for (std::thread& user : users) {
        user.join();
    }
    EXPECT_EQ(calls, 3000);
}

} // namespace
