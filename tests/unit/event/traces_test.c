/* SPDX-License-Identifier: Apache-2.0 */
/* traces: as the runtimes print them. Each text is lines; a '|' in front marks those that go on
 * with the line before, a ' ' those that begin something. */
#include "event/traces.h"

#include "test.h"

static void expect(unsigned wanted, const char *text)
{
    struct trace_states states = { { 0 } };

    for (unsigned number = 1; *text != '\0'; number++) {
        const char *newline = strchr(text, '\n');
        assert_non_null(newline);
        struct slice line = { text + 1, (size_t)(newline - text - 1) };
        bool goes_on = traces_continue(wanted, &states, line);
        if (goes_on != (*text == '|'))
            fail_msg("line %u '%.*s': goes on: %d", number, (int)line.bytes, line.data, goes_on);
        text = newline + 1;
    }
}

static void java(void **unused)
{
    (void)unused;
    expect(1U << TRACE_JAVA,
           " 2024-01-31 10:00:00 INFO started\n"
           " Exception in thread \"main\" java.lang.IllegalStateException: closed\n"
           "|\tat com.example.Shop.sell(Shop.java:12)\n"
           "|\tat java.base/java.lang.Thread.run(Thread.java:829)\n"
           "|\tSuppressed: java.io.IOException: twice\n"
           "|\t\tat com.example.Shop.close(Shop.java:99)\n"
           "|\t\t... 3 common frames omitted\n"
           "|Caused by: java.net.SocketTimeoutException: Read timed out\n"
           "|\t... 12 more\n"
           " 2024-01-31 10:00:01 INFO at rest\n"
           " at the bar\n"
           "  indented, but no frame\n"
           "  ... and no count\n");
}

static void python(void **unused)
{
    (void)unused;
    expect(1U << TRACE_PYTHON,
           " INFO:root:started\n"
           " Traceback (most recent call last):\n"
           "|  File \"/app/x.py\", line 1, in <module>\n"
           "|    run()\n"
           "|    ^^^^^\n"
           "|KeyError: 'a'\n"
           "|\n"
           "|During handling of the above exception, another exception occurred:\n"
           "|\n"
           "|Traceback (most recent call last):\n"
           "|  File \"/app/x.py\", line 3, in <module>\n"
           "|ValueError: no\n"
           " INFO:root:next\n"
           "   indented\n"
           " \n"
           "   + Exception Group Traceback (most recent call last):\n"
           "|  |   File \"/app/x.py\", line 3, in <module>\n"
           "|  | ExceptionGroup: two (2 sub-exceptions)\n"
           "|  +-+---------------- 1 ----------------\n"
           "|    | Traceback (most recent call last):\n"
           "|    | ValueError: 1\n"
           "|    +------------------------------------\n"
           "|done\n"
           " INFO:root:two traces in a row are two\n"
           " Traceback (most recent call last):\n"
           "|  File \"/app/x.py\", line 3, in <module>\n"
           "|ValueError: no\n"
           " Traceback (most recent call last):\n"
           "|  File \"/app/x.py\", line 3, in <module>\n"
           "|ValueError: no\n");
}

static void go(void **unused)
{
    (void)unused;
    expect(1U << TRACE_GO,
           " 2024/01/31 10:00:00 listening (tcp)\n"
           " panic: runtime error: invalid memory address or nil pointer dereference\n"
           "|\tpanic: again\n"
           "|[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47e0a5]\n"
           "|\n"
           "|goroutine 1 [running]:\n"
           "|main.(*shop).sell(...)\n"
           "|\t/app/main.go:8\n"
           "|created by main.main in goroutine 1\n"
           "|\t/app/main.go:12 +0x25\n"
           "|\n"
           "|goroutine 18 [chan receive, 5 minutes]:\n"
           "|main.wait(0xc000)\n"
           "|\t/app/main.go:9 +0x1d\n"
           "|exit status 2\n"
           " 2024/01/31 10:00:01 http: panic serving 127.0.0.1:5000: boom\n"
           "|goroutine 7 [running]:\n"
           "|net/http.(*conn).serve.func1()\n"
           " 2024/01/31 10:00:02 next\n"
           " main.not_a_frame(now)\n"
           " goroutine 9 [running]:\n"
           "|main.dump()\n");
}

static void ruby(void **unused)
{
    (void)unused;
    expect(1U << TRACE_RUBY, " /app/x.rb:3:in `sell': closed (RuntimeError)\n"
                             "|\tfrom /app/x.rb:7:in `block in <main>'\n"
                             "|\tfrom /app/x.rb:9:in '<main>'\n"
                             " I, [2024-01-31T10:00:00 #1]  INFO -- : next\n"
                             " ActionView::Template::Error (no):\n"
                             "|  app/views/x.erb:3:in `render'\n"
                             "   not one\n");
}

static void dotnet(void **unused)
{
    (void)unused;
    expect(1U << TRACE_DOTNET, " Unhandled exception. System.InvalidOperationException: closed\n"
                               "| ---> System.TimeoutException: late\n"
                               "|   at Shop.Sell() in /app/Shop.cs:line 12\n"
                               "|   --- End of inner exception stack trace ---\n"
                               "|   at Program.Main(String[] args)\n"
                               "|--- End of stack trace from previous location ---\n"
                               " info: Shop[0]\n"
                               "       started\n");
}

static void javascript(void **unused)
{
    (void)unused;
    expect(1U << TRACE_JAVASCRIPT, " Error: listen EADDRINUSE\n"
                                   "|    at Server.setup (node:net:1463:16)\n"
                                   "|    at async run (/app/x.js:3:5) {\n"
                                   "|  code: 'EADDRINUSE',\n"
                                   "|  [cause]: Error: inner\n"
                                   "|      at x (/app/x.js:1:1)\n"
                                   "|  port: 80\n"
                                   "|}\n"
                                   " }\n"
                                   " server listening\n"
                                   " TypeError: no\n"
                                   "|    at x (/app/x.js:1:1)\n"
                                   "|    ... 7 lines matching cause stack trace ...\n"
                                   "   at\n");
}

static void languages_side_by_side_keep_their_own_states(void **unused)
{
    (void)unused;
    expect((1U << TRACES) - 1, " Traceback (most recent call last):\n"
                               "|  File \"x.py\", line 1, in <module>\n"
                               "|java.lang.Error: from a bridge\n"
                               "|\tat com.example.X(X.java:1)\n"
                               " panic: and then\n"
                               "|\n"
                               "|goroutine 1 [running]:\n"
                               " done\n");
    expect(0, " Error\n"
              "     at x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(java),
        cmocka_unit_test(python),
        cmocka_unit_test(go),
        cmocka_unit_test(ruby),
        cmocka_unit_test(dotnet),
        cmocka_unit_test(javascript),
        cmocka_unit_test(languages_side_by_side_keep_their_own_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
