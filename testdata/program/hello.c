/* Prints a file of its RomFS, and the sum of the numbers in another. No library, and no address that depends on where it is loaded. */

typedef unsigned long size_t;

long open_file(const char *path, size_t length);
long read_file(long handle, size_t offset, void *buffer, size_t size);
void print(const char *text, size_t length);

static char buffer[48];          /* .bss */
static volatile int calls = 100; /* .data: counts the reads, from 100 on */

static void say(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    print(text, length);
}

static void say_number(long number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = '0' + number % 10;
    while (number /= 10);
    print(digits + at, sizeof digits - at);
}

static long fill(long handle, size_t offset)
{
    calls++;
    return read_file(handle, offset, buffer, sizeof buffer);
}

int main(void)
{
    static const char greeting[] = "/hello.txt", numbers[] = "/data/numbers.txt";
    size_t offset = 0;
    long count, sum = 0, number = 0;
    long handle = open_file(greeting, sizeof greeting - 1);
    if (handle < 0) {
        say("there is no hello.txt\n");
        return 1;
    }
    while ((count = fill(handle, offset)) > 0) {
        print(buffer, count);
        offset += count;
    }
    handle = open_file(numbers, sizeof numbers - 1);
    for (offset = 0; handle >= 0 && (count = fill(handle, offset)) > 0; offset += count)
        for (long each = 0; each < count; each++)
            if (buffer[each] >= '0' && buffer[each] <= '9')
                number = number * 10 + buffer[each] - '0';
            else {
                sum += number;
                number = 0;
            }
    say("the numbers add up to ");
    say_number(sum + number);
    say(", after ");
    say_number(calls - 100);
    say(" reads\n");
    return 0;
}
