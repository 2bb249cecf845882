/* A program in C, linked with the static library of this folder. */
extern int names_print(void);

int main(void) {
    return names_print();
}
