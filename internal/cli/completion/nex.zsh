#compdef nex
# Completion of nex for zsh. To be read after compinit, or to be found in a folder of fpath as _nex.
_nex() {
    local -a candidates
    candidates=(${(f)"$(COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" @NEX@)"})
    if (( $#candidates )); then
        compadd -a candidates
    else
        compset -P '--*='
        _files
    fi
}
if [[ $funcstack[1] == _nex ]]; then
    _nex "$@"
else
    compdef _nex nex
fi
